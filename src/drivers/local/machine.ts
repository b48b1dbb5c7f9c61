/** This machine as the local driver asks it. What hangs there, as a file system that is elsewhere may, is not asked again and again (B-10). */
import { Breaker, type BreakerState, type OutsideService } from "../../api/breaker.ts";
import { DriverError } from "../driver.ts";
import { asking } from "./asking.ts";

/** As short as those of a Docker host, and for the same reason. */
const RULES = { failures: 3, pauseMs: 1000, longestMs: 8000, trialMs: 10_000 };
/** Whoever waits for longer keeps a thread from the others. */
const LATE_MS = 20_000;
/** They are the machine's, whatever pod was asked about; all others are answers. */
const FAULTS = "EIO ESTALE ENOTCONN ETIMEDOUT EMFILE ENFILE ENOMEM EAGAIN".split(" ");

interface MachineOptions {
  readonly lateMs?: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now?: () => number;
  log(fields: Record<string, unknown>, message: string): void;
}

export class Machine implements OutsideService {
  readonly name = "local-driver";
  readonly #breaker: Breaker;
  readonly #lateMs: number;

  constructor({ log, lateMs = LATE_MS, now }: MachineOptions) {
    this.#lateMs = lateMs;
    this.#breaker = new Breaker({
      ...RULES,
      ...(now && { now }),
      changed: (fault) =>
        fault
          ? log({ fault: fault.message }, "this machine does not answer the local driver")
          : log({}, "this machine answers the local driver again"),
    });
  }

  state(): BreakerState {
    return this.#breaker.state();
  }

  /** As `asking`; throws DriverError at once while nothing is asked. */
  async ask<T>(work: () => Promise<T>): Promise<T> {
    this.#admit();
    const late = new Error(`no answer within ${this.#lateMs / 1000} s`);
    const timer = setTimeout(() => this.#breaker.failed(late), this.#lateMs).unref();
    try {
      const answer = await asking(work);
      this.#breaker.succeeded();
      return answer;
    } catch (error) {
      if (isOfMachine(error)) this.#breaker.failed(error);
      else this.#breaker.succeeded();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #admit(): void {
    const waitMs = this.#breaker.admit();
    if (waitMs === 0) return;
    const seconds = Math.ceil(waitMs / 1000);
    throw new DriverError(
      `the server's machine cannot be asked: ${this.#breaker.fault?.message}; it is asked again in ${seconds} s`,
    );
  }
}

const isOfMachine = (error: unknown): error is DriverError =>
  error instanceof DriverError &&
  FAULTS.includes((error.cause as NodeJS.ErrnoException | undefined)?.code ?? "");
