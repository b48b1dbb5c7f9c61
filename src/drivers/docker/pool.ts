/**
 * Connections to an engine that are kept for the next request (B-07): a few, and not for long. Those with TLS are made with the
 * credentials that are there at that moment, so that a certificate that was renewed counts without a restart.
 */
import { readFile } from "node:fs/promises";
import { Agent, type RequestOptions } from "node:http";
import { Agent as TlsAgent } from "node:https";
import { isIP } from "node:net";
import type { Duplex } from "node:stream";
import type { EngineTls } from "./address.ts";

/** How many may lie idle. */
const MOST_IDLE = 4;
/** Each is a login of its own: sshd turns others away while ten have not come in yet (MaxStartups), whoever they are. */
const MOST_OPENING = 6;
/** A connection that has said nothing by then counts as open: its engine is slow to answer. */
const OPENING_MS = 5000;
const IDLE_MS = 60_000;
/** Also one that is never idle for long is given up at this age. */
const OLD_MS = 10 * 60_000;

type Now = () => number;
const monotonic: Now = () => performance.now();

/** Tells the connections of one agent that are too old, and closes those that nobody takes up. */
class Ages {
  readonly #born = new WeakMap<Duplex, number>();
  readonly #agent: Agent;
  readonly #now: Now;

  constructor(agent: Agent, now: Now) {
    this.#agent = agent;
    this.#now = now;
  }

  /** Whether a connection is kept that has become free. */
  keeps(socket: Duplex): boolean {
    const born = this.#born.get(socket) ?? this.#now();
    this.#born.set(socket, born);
    if (this.#now() - born > OLD_MS) return false;
    const isFree = () =>
      Object.values(this.#agent.freeSockets).some((free) => free?.some((s) => s === socket));
    setTimeout(() => isFree() && socket.destroy(), IDLE_MS).unref();
    return true;
  }
}

/** Connections that `connect` makes, a few at a time; each emits `open` when it is there. */
export class Pool extends Agent {
  readonly #connect: () => Duplex;
  readonly #ages: Ages;
  readonly #waiting: (() => void)[] = [];
  #opening = 0;

  constructor(connect: () => Duplex, now = monotonic) {
    super({ keepAlive: true, maxFreeSockets: MOST_IDLE });
    this.#connect = connect;
    this.#ages = new Ages(this, now);
  }

  override createConnection(
    _options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const open = () => callback?.(null, this.#open());
    if (this.#opening < MOST_OPENING) open();
    else this.#waiting.push(open);
  }

  #open(): Duplex {
    this.#opening += 1;
    const opened = new AbortController();
    const over = () => {
      if (opened.signal.aborted) return;
      opened.abort();
      clearTimeout(late);
      this.#opening -= 1;
      this.#waiting.shift()?.();
    };
    const late = setTimeout(over, OPENING_MS).unref();
    return this.#connect().once("open", over).once("close", over);
  }

  override keepSocketAlive(socket: Duplex): boolean {
    super.keepSocketAlive(socket);
    return this.#ages.keeps(socket);
  }
}

/** Connections with TLS. */
export class TlsPool extends TlsAgent {
  readonly #tls: EngineTls;
  readonly #ages: Ages;

  constructor(tls: EngineTls, now = monotonic) {
    // A session that is taken up again would go on under the old credentials.
    super({ keepAlive: true, maxFreeSockets: MOST_IDLE, maxCachedSessions: 0 });
    this.#tls = tls;
    this.#ages = new Ages(this, now);
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const { host = "" } = options;
    // Else it were the one of the header Host, which every engine takes. An address is no name (RFC 6066, 3).
    const servername = isIP(host ?? "") ? "" : host;
    const connect = (credentials: object) =>
      super.createConnection({ ...options, ...credentials, servername } as RequestOptions) as Duplex;
    // A certificate and a key that do not belong together are found out by connecting.
    readCredentials(this.#tls)
      .then(connect)
      .then(
        (socket) => callback?.(null, socket),
        (error: Error) => callback?.(error, undefined as never),
      );
  }

  override keepSocketAlive(socket: Duplex): boolean {
    super.keepSocketAlive(socket);
    return this.#ages.keeps(socket);
  }
}

/** Throws an error that counts as one of TLS. */
export async function readCredentials({ ca, cert, key }: EngineTls) {
  try {
    const [authority, own, secret] = await Promise.all([ca, cert, key].map((file) => readFile(file)));
    return { ca: authority, cert: own, key: secret };
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw Object.assign(new Error(`ca, cert or key cannot be read (${code})`, { cause }), {
      code: "ERR_TLS_FILES",
    });
  }
}
