/**
 * One session at the gateway: the pump, the time without a connection (*detached*: the pod's side and what was not
 * acknowledged are kept), and the reasons to end it that the pump does not know.
 */
import type { Duplex } from "node:stream";
import { Problem } from "../api/errors.ts";
import { type Clock, within } from "./clock.ts";
import { oneLine } from "./frames.ts";
import { endText, type GatewayObserver, type TunnelAbout, tunnelEnd } from "./observer.ts";
import { type Ending, Pipe, type Wire } from "./pipe.ts";

/** A client from which nothing came for so long never got the first 101: it knows of no session to come back to. */
const FIRST_SIGN_MS = 10_000;
/** What a client that is gone had sent may still reach the pod for so long. */
const DELIVER_MS = 1_000;
/** The end of the pod's stream waits so long for the answer whether the tunnel was ended on purpose. */
const LAST_CHECK_MS = 500;
/** A client may take so long to read our `bye`. */
const CLOSE_MS = 3_000;

export type Recheck = () => Promise<Problem | undefined>;

export interface GatewayTunnelOptions {
  readonly about: TunnelAbout;
  readonly observer: GatewayObserver;
  /** When the client asked for it, by `clock`. */
  readonly askedAt: number;
  readonly wire: Wire;
  readonly attempt: number;
  readonly pod: Duplex;
  readonly clock: Clock;
  readonly recheckMs: number;
  /** How long the session waits for its client to come back. */
  readonly detachMs: number;
  readonly recheck: Recheck;
  log(fields: object, message: string): void;
}

export class GatewayTunnel {
  /** Resolves when it is decided that nobody can go on with it, and why. */
  readonly ended: Promise<Ending>;
  /** Resolves when nothing of the tunnel is left: no socket, no timer. */
  readonly closed: Promise<void>;
  readonly #options: GatewayTunnelOptions;
  readonly #pipe: Pipe;
  readonly #timers: (() => void)[];
  #wire: Wire | undefined;
  readonly #openedAt: number;
  #attempt: number;
  #resumes = 0;
  #podLost = false;
  #detachedSince: number | undefined;
  #recheck: Recheck;
  #cancelDetached: (() => void) | undefined;
  #heard = false;
  #checking: Promise<void> | undefined;
  #uncheckable = false;

  constructor(options: GatewayTunnelOptions) {
    const { pod, clock, observer, askedAt } = options;
    this.#options = options;
    this.#openedAt = clock.now();
    this.#attempt = options.attempt;
    this.#recheck = options.recheck;
    this.#pipe = new Pipe({
      role: "gateway",
      source: pod,
      sink: pod,
      clock,
      onProgress: () => {
        this.#heard = true;
      },
      onBreak: (text) => this.#detach(text),
      // Another server may have ended the pod: its user is to hear why, not only that the stream is over.
      beforeEnd: () => within(clock, LAST_CHECK_MS, this.#check()),
      onEcho: observer.echo,
    });
    pod.once("data", () => observer.firstByte(clock.now() - askedAt));
    pod.once("error", () => {
      this.#podLost = true;
    });
    this.#timers = [
      clock.after(FIRST_SIGN_MS, () => this.#expectSign()),
      clock.every(options.recheckMs, () => void this.#check()),
    ];
    this.ended = this.#pipe.ended;
    this.closed = this.ended.then((ending) => this.#close(ending));
    this.#attach(options.wire, 0);
    observer.opened({ ...options.about, openedAt: this.#openedAt });
  }

  /** Bytes from the client and to it so far; neither ever shrinks. */
  get traffic(): { readonly up: number; readonly down: number } {
    return { up: this.#pipe.received, down: this.#pipe.sent };
  }

  /** Since when it has no client, by the clock; undefined while it has one, and when it is over. */
  get detachedSince(): number | undefined {
    return this.#detachedSince;
  }

  /**
   * Makes room for a client that comes back with `received` bytes: nothing is taken from the old connection any more.
   * The bytes received are the answer. Throws Problem when it comes later than another, or asks for what is not kept.
   */
  release(attempt: number, received: number): number {
    if (attempt <= this.#attempt)
      throw new Problem("stale_attempt", `the session has had connection number ${this.#attempt} already`);
    if (!this.#pipe.keeps(received))
      throw new Problem("invalid_input", `the session cannot go on from byte ${received}`, {
        hint: "connect again",
      });
    this.#attempt = attempt;
    this.#pipe.drop("the client came back on another connection");
    return this.#pipe.received;
  }

  /** Goes on over another connection, from where the client has `received` the stream; `recheck` asks for its new token. */
  resume(wire: Wire, received: number, recheck: Recheck): void {
    this.#recheck = recheck;
    this.#resumes += 1;
    this.#options.observer.resumed();
    this.#options.log({ attempt: this.#attempt, received: this.#pipe.received }, "tunnel resumed");
    this.#attach(wire, received);
  }

  #attach(wire: Wire, received: number): void {
    this.#cancelDetached?.();
    this.#detachedSince = undefined;
    this.#wire = wire;
    this.#pipe.attach(wire, received);
  }

  #detach(text: string): void {
    const { clock, detachMs, log } = this.#options;
    this.#wire = undefined;
    this.#detachedSince = clock.now();
    log({ text }, "tunnel detached");
    this.#cancelDetached = clock.after(detachMs, () =>
      this.#pipe.lose(`its client did not come back within ${Math.round(detachMs / 1000)} s`),
    );
  }

  /** Ends the tunnel at once; the client is told why. */
  end(why: Problem): void {
    this.#pipe.bye(why.code, why.hint === undefined ? why.message : `${why.message}; ${why.hint}`);
  }

  /** Ends a session without its client, for another one of the same user. */
  giveWay(): void {
    this.#pipe.bye("gave_way", "its client was away, and its user opened more tunnels than are allowed");
  }

  #expectSign(): void {
    if (!this.#heard) this.#pipe.bye("no_sign", "nothing came from the client within 10 s");
  }

  /** One at a time. */
  #check(): Promise<void> {
    this.#checking ??= this.#askAgain().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /** An answer that cannot be had ends nothing: it is logged once, and asked for again. */
  async #askAgain(): Promise<void> {
    try {
      const ask = this.#recheck;
      const why = await ask();
      this.#uncheckable = false;
      // The answer about a token that was replaced meanwhile says nothing.
      if (why && ask === this.#recheck) this.end(why);
    } catch (error) {
      if (!this.#uncheckable) this.#options.log({ err: error }, "the right to a tunnel could not be checked");
      this.#uncheckable = true;
    }
  }

  async #close(ending: Ending): Promise<void> {
    for (const cancel of this.#timers) cancel();
    this.#cancelDetached?.();
    this.#detachedSince = undefined;
    const { sent, received } = this.#pipe;
    this.#options.log({ ...ending, sent, received, resumes: this.#resumes }, "tunnel closed");
    this.#report(ending);
    await Promise.all([this.#closePod(ending), this.#closeWire()]);
  }

  #report(ending: Ending): void {
    const { about, observer, clock } = this.#options;
    observer.closed({
      ...about,
      ...this.traffic,
      openedAt: this.#openedAt,
      endedAt: clock.now(),
      resumes: this.#resumes,
      end: tunnelEnd(ending, this.#podLost),
      text: oneLine(endText(ending)),
    });
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
    if (!this.#wire) return;
    const { ws } = this.#wire;
    const closed = new Promise<void>((resolve) => {
      if (ws.closed) resolve();
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
