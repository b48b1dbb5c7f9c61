/** Ports of this machine that lead to ports of a pod: each connection is one tunnel, with the same resume as ssh's. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { EXIT } from "../../api/errors.ts";
import { TunnelClient, type TunnelEnd, type TunnelOptions } from "../../tunnel/client.ts";
import { CliError } from "../errors.ts";

/** The server allows 100 tunnels to a reservation; some are for ssh. */
const MAX_CONNECTIONS = 80;

export interface PortPair {
  /** 0 takes a free one. */
  readonly local: number;
  readonly remote: number;
}

/** What is to be forwarded to which node, and listened to where. */
export interface ForwardWish {
  readonly address: string;
  readonly node: number;
  readonly pairs: readonly PortPair[];
}

export interface ForwardOptions {
  readonly id: string;
  /** Of several nodes, which. */
  readonly node: number;
  /** The address to listen on. */
  readonly address: string;
  readonly server: TunnelOptions["server"];
  /** One line for each connection that fails. */
  say(line: string): void;
  /** Told of the server's code for the end of a connection; true when the reason is told once, for all of them. */
  endsAll(code: string): boolean;
}

/** All forwarded ports of one command. */
export class Forwarding {
  readonly #options: ForwardOptions;
  readonly #servers: Server[] = [];
  readonly #clients = new Set<TunnelClient>();

  constructor(options: ForwardOptions) {
    this.#options = options;
  }

  /** Listens; the answer has the local port. Throws CliError `port_taken` (exit 9) and `cannot_listen` (exit 1). */
  async listen({ local, remote }: PortPair): Promise<PortPair> {
    const { address } = this.#options;
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) =>
      this.#accept(socket, remote),
    );
    this.#servers.push(server);
    try {
      await once(server.listen(local, address), "listening");
    } catch (error) {
      throw cannotListen(error as NodeJS.ErrnoException, address, { local, remote });
    }
    return { local: (server.address() as AddressInfo).port, remote };
  }

  /** Ends all connections at once and stops listening; resolves when nothing is left. */
  async close(): Promise<void> {
    const closed = this.#servers.filter((server) => server.listening).map((server) => once(server, "close"));
    for (const server of this.#servers) server.close();
    for (const client of this.#clients) client.hangUp();
    await Promise.all(closed);
  }

  #accept(socket: Socket, remote: number): void {
    const from = `${socket.remoteAddress}:${socket.remotePort}`;
    const say = (why: string): void => this.#options.say(`port ${remote}, connection from ${from}: ${why}`);
    if (this.#clients.size < MAX_CONNECTIONS) void this.#carry(socket, remote, say);
    else {
      socket.on("error", () => socket.destroy()).resetAndDestroy();
      say(`${MAX_CONNECTIONS} connections are open, which is the limit; close some of them`);
    }
  }

  async #carry(socket: Socket, port: number, say: (why: string) => void): Promise<void> {
    const { id, node, server, endsAll } = this.#options;
    const client = new TunnelClient({
      server,
      pod: async () => ({ reservation: id, node }),
      port,
      stdin: socket,
      stdout: socket,
      forward: true,
      // Nobody listens there: whoever connects wants to know it now.
      worthWaiting: ({ prospect }) => prospect.code !== "pod_unreachable",
    });
    this.#clients.add(client);
    const end = await client.done.catch(asFailure);
    this.#clients.delete(client);
    // What failed must not look like a stream that ended.
    if (end.exitCode === 0) socket.destroySoon();
    else socket.resetAndDestroy();
    const isTold = end.code !== undefined && endsAll(end.code);
    if (end.message !== undefined && !isTold) say(wordsFor(end, port));
  }
}

const asFailure = (error: Error): TunnelEnd => ({ exitCode: EXIT.error, message: error.message });

const wordsFor = ({ code, message }: TunnelEnd, port: number): string =>
  code === "pod_unreachable"
    ? `nothing answers on port ${port} of the pod; is your program running there?`
    : (message ?? "");

function cannotListen(error: NodeJS.ErrnoException, address: string, { local, remote }: PortPair): CliError {
  const where = `${address} port ${local}`;
  const other = `\`:${remote}\` takes a free local port, \`LOCAL:${remote}\` one of your choice.`;
  if (error.code === "EADDRINUSE")
    return new CliError("port_taken", EXIT.conflict, `${where} is in use by another program`, {
      hint: other,
      cause: error,
    });
  return new CliError("cannot_listen", EXIT.error, `${where} cannot be listened on (${error.code})`, {
    hint: error.code === "EACCES" ? `Ports below 1024 are the administrator's: ${other}` : "Check --address.",
    cause: error,
  });
}
