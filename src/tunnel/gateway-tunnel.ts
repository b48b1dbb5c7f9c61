/** One open tunnel at the gateway: the pump, and the reasons to end it that the pump does not know. */
import type { Duplex } from "node:stream";
import type { Problem } from "../api/errors.ts";
import { type Clock, within } from "./clock.ts";
import { type Ending, Pipe, type Wire } from "./pipe.ts";

/** A client from which nothing came for so long never got the 101. */
const FIRST_SIGN_MS = 10_000;
/** What a client that is gone had sent may still reach the pod for so long. */
const DELIVER_MS = 1_000;
/** A client may take so long to read our `bye`. */
const CLOSE_MS = 3_000;

export interface GatewayTunnelOptions {
  readonly wire: Wire;
  readonly pod: Duplex;
  readonly clock: Clock;
  readonly recheckMs: number;
  recheck(): Promise<Problem | undefined>;
  log(fields: object, message: string): void;
}

export class GatewayTunnel {
  /** Resolves when nothing of the tunnel is left: no socket, no timer. */
  readonly closed: Promise<void>;
  readonly #options: GatewayTunnelOptions;
  readonly #pipe: Pipe;
  readonly #timers: (() => void)[];
  #heard = false;
  #checking = false;
  #uncheckable = false;

  constructor(options: GatewayTunnelOptions) {
    const { pod, clock } = options;
    this.#options = options;
    this.#pipe = new Pipe({
      role: "gateway",
      source: pod,
      sink: pod,
      clock,
      onProgress: () => {
        this.#heard = true;
      },
    });
    this.#timers = [
      clock.after(FIRST_SIGN_MS, () => this.#expectSign()),
      clock.every(options.recheckMs, () => void this.#check()),
    ];
    this.closed = this.#pipe.ended.then((ending) => this.#close(ending));
    this.#pipe.attach(options.wire);
  }

  /** Ends the tunnel at once; the client is told why. */
  end(why: Problem): void {
    this.#pipe.bye(why.code, why.hint === undefined ? why.message : `${why.message}; ${why.hint}`);
  }

  #expectSign(): void {
    if (!this.#heard) this.#pipe.bye("no_sign", "nothing came from the client within 10 s");
  }

  /** An answer that cannot be had ends nothing: it is logged once, and asked for again. */
  async #check(): Promise<void> {
    if (this.#checking) return;
    this.#checking = true;
    try {
      const why = await this.#options.recheck();
      this.#uncheckable = false;
      if (why) this.end(why);
    } catch (error) {
      if (!this.#uncheckable) this.#options.log({ err: error }, "the right to a tunnel could not be checked");
      this.#uncheckable = true;
    } finally {
      this.#checking = false;
    }
  }

  async #close(ending: Ending): Promise<void> {
    for (const cancel of this.#timers) cancel();
    const { sent, received } = this.#pipe;
    this.#options.log({ ...ending, sent, received }, "tunnel closed");
    await Promise.all([this.#closePod(ending), this.#closeWire()]);
  }

  async #closePod(ending: Ending): Promise<void> {
    const { pod, clock } = this.#options;
    // What this end decided, such as a revoked access, holds for the bytes in hand too.
    if (ending.kind !== "said" && !pod.destroyed)
      await within(
        clock,
        DELIVER_MS,
        this.#pipe.drained().then(() => finished(pod)),
      );
    pod.destroy();
  }

  async #closeWire(): Promise<void> {
    const { ws } = this.#options.wire;
    const closed = new Promise<void>((resolve) => {
      if (ws.readyState === ws.CLOSED) resolve();
      else ws.once("close", () => resolve());
    });
    ws.close(1000);
    await within(this.#options.clock, CLOSE_MS, closed);
    ws.terminate();
  }
}

const finished = (pod: Duplex): Promise<void> =>
  new Promise((resolve) => {
    pod.once("close", resolve);
    pod.end(resolve);
  });
