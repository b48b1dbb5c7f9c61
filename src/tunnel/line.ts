/**
 * The client's line to the gateway: dialled until it holds, and dialled again when it breaks. What the gateway refuses
 * for good ends it; what may pass is waited for, with a growing, jittered pause.
 */
import type { Clock } from "./clock.ts";
import { dial, type Opened, type PodPort } from "./dial.ts";
import { type Server, TunnelFailure } from "./failure.ts";
import { oneLine } from "./frames.ts";
import { DEFAULT_DETACH_MS } from "./opening.ts";
import type { Trace } from "./trace.ts";

/** The gateway has 10 s to reach the pod. */
const OPEN_MS = 20_000;
/** Nothing has to be reached behind the gateway then. */
const RESUME_MS = 10_000;

/** Set-up: faults are waited for so long, and a reservation that is being prepared so long. */
const SET_UP_MS = 30_000;
const PREPARING_MS = 5 * 60_000;

const FIRST_PAUSE_MS = { open: 250, resume: 50 };
const LONGEST_PAUSE_MS = { open: 5_000, resume: 10_000 };
type Purpose = keyof typeof FIRST_PAUSE_MS;

export interface LineOptions {
  /** Asked at each dial, so that a token that was replaced is taken. Throws when there is none. */
  readonly server: () => Server;
  /** Asked until it is known; a TunnelFailure says whether to ask again. */
  readonly pod: () => Promise<Omit<PodPort, "port">>;
  readonly port: number;
  readonly clock: Clock;
  /** How long a set-up waits for what may pass, in milliseconds. */
  readonly setUpMs?: number | undefined;
  /** Bytes received of the session. */
  received(): number;
  /** Called in the turn in which a connection opens. */
  onOpen(opened: Opened): void;
  /** False for what may pass but is not worth waiting for. */
  readonly worthWaiting?: (failure: TunnelFailure) => boolean;
  /** False when nobody is there any more to wait for: then each purpose has one dial. */
  mayWait(): boolean;
  /** A pause begins; `why` is the line for the user. */
  onWait(why: string): void;
  readonly trace?: Trace | undefined;
}

export class Line {
  readonly #options: LineOptions;
  #pod: Omit<PodPort, "port"> | undefined;
  #session: string | undefined;
  #attempt = 0;
  #tries = 0;
  /** By `clock.now()`: how long the present purpose may take. */
  #deadline = 0;
  /** How long the gateway keeps the session without a connection. */
  #detachMs = DEFAULT_DETACH_MS;
  #closed = false;
  #dialling: AbortController | undefined;
  #endPause: (() => void) | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Opens a session. Throws TunnelFailure when it cannot be had. */
  async open(): Promise<void> {
    const since = this.#options.clock.now();
    const { setUpMs, worthWaiting = () => true } = this.#options;
    await this.#insist("open", (failure) => {
      const { passing, preparing } = failure.prospect;
      this.#deadline = since + (setUpMs ?? (preparing ? PREPARING_MS : SET_UP_MS));
      return passing === true && worthWaiting(failure);
    });
  }

  /**
   * Goes on with the session over a new connection: dials at once when it `held` before, else after a pause. What is not
   * the server's own refusal may pass: between here and there may be a hotel's login page.
   */
  async resume(held: boolean): Promise<void> {
    if (held) {
      this.#tries = 0;
      this.#deadline = this.#options.clock.now() + this.#detachMs;
    } else {
      if (this.#options.clock.now() >= this.#deadline)
        throw new TunnelFailure("each connection broke before anything moved");
      await this.#pause("resume", 0);
    }
    // Nobody else dials for this session: a stale attempt is a copy of our own, made by something on the way.
    const mayPass = ({ prospect: { passing, refused, code } }: TunnelFailure): boolean =>
      passing === true || !refused || code === "stale_attempt";
    await this.#insist("resume", mayPass);
  }

  /** Dials at once, if it waits. */
  hurry(): void {
    this.#endPause?.();
  }

  /** Dials anew at once, if it dials or waits: what was dialled before a change of network leads nowhere. */
  restart(): void {
    this.#tries = 0;
    this.#dialling?.abort();
    this.#endPause?.();
  }

  /** Dials no more. */
  close(): void {
    this.#closed = true;
    this.restart();
  }

  async #insist(purpose: Purpose, mayPass: (failure: TunnelFailure) => boolean): Promise<void> {
    for (;;) {
      try {
        return await this.#dial(purpose);
      } catch (error) {
        this.#options.trace?.("failed", { attempt: this.#attempt, why: String(error) });
        if (!(error instanceof TunnelFailure) || !mayPass(error) || this.#isOver()) throw error;
        // Ended by a change of network, not by a fault: the next dial is for the new one.
        if (this.#dialling?.signal.aborted) continue;
        this.#options.onWait(error.message);
        await this.#pause(purpose, error.prospect.retryAfterMs ?? 0);
      }
    }
  }

  #isOver(): boolean {
    const { clock, mayWait } = this.#options;
    return this.#closed || !mayWait() || clock.now() >= this.#deadline;
  }

  async #dial(purpose: Purpose): Promise<void> {
    const { pod, port, clock, received, onOpen, trace } = this.#options;
    this.#pod ??= await pod();
    this.#dialling = new AbortController();
    if (this.#closed) this.#dialling.abort();
    this.#attempt += 1;
    const details = {
      server: this.#server(),
      to: { ...this.#pod, port },
      attempt: this.#attempt,
      resume: this.#session === undefined ? undefined : { session: this.#session, received: received() },
      clock,
      trace,
      limitMs: purpose === "open" ? OPEN_MS : RESUME_MS,
      onOpen: (opened: Opened) => {
        this.#session = opened.session;
        this.#detachMs = opened.detachMs;
        onOpen(opened);
      },
    };
    await dial(details, this.#dialling.signal);
  }

  /** A file that is just being written, or is damaged, is no reason to give up a session that is open. */
  #server(): Server {
    try {
      return this.#options.server();
    } catch (cause) {
      if (cause instanceof TunnelFailure) throw cause;
      const text = cause instanceof Error ? cause.message : String(cause);
      throw new TunnelFailure(oneLine(text), { cause });
    }
  }

  /** At least `atLeastMs`, at most until the deadline. */
  async #pause(purpose: Purpose, atLeastMs: number): Promise<void> {
    const growing = Math.min(FIRST_PAUSE_MS[purpose] * 2 ** this.#tries, LONGEST_PAUSE_MS[purpose]);
    this.#tries += 1;
    const jittered = growing * (0.5 + Math.random() / 2);
    const left = Math.max(0, this.#deadline - this.#options.clock.now());
    const { promise, resolve } = Promise.withResolvers<void>();
    const ms = Math.min(Math.max(jittered, atLeastMs), left);
    this.#options.trace?.("pause", { ms: Math.round(ms) });
    const cancel = this.#options.clock.after(ms, resolve);
    this.#endPause = resolve;
    await promise;
    cancel();
  }
}
