/** Whether a reservation still lives and is still ours, for commands that run as long as it does. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { type Failure, failureOf, NotConfigured } from "../errors.ts";
import { clientFor, endpointOf } from "../http/api.ts";
import { ended } from "../watching/ready.ts";
import { isAway } from "./tunnel-server.ts";

/** How often it is asked. What the server says when it ends a tunnel comes sooner. */
const LOOK_MS = 10_000;
const OVER = new Set(["reservation_ended", "not_found", "not_logged_in", "not_allowed"]);

export class AccessWatch {
  readonly #ctx: Context;
  readonly #id: string;
  #wake = new AbortController();

  constructor(ctx: Context, { id }: Reservation) {
    this.#ctx = ctx;
    this.#id = id;
  }

  /** Looks at once when `code` is one with which the server ends the access; true then. */
  mayBeOver(code: string): boolean {
    if (OVER.has(code)) this.#wake.abort();
    return OVER.has(code);
  }

  /** Resolves with the exit code: 0 after an interrupt, else that of what ended the access, which is said on stderr. */
  async untilOver(interrupt: AbortSignal): Promise<number> {
    for (;;) {
      if (!(await this.#pause(interrupt))) return EXIT.ok;
      const failure = await this.#look();
      if (!failure) continue;
      // With --json the document is printed by now, so that the reason is talk in any case.
      this.#ctx.say([failure.message, failure.hint].filter(Boolean).join("\n"));
      return failure.exit;
    }
  }

  /** False when it was interrupted. */
  async #pause(interrupt: AbortSignal): Promise<boolean> {
    try {
      await this.#ctx.clock.sleep(LOOK_MS, AbortSignal.any([interrupt, this.#wake.signal]));
    } catch (error) {
      if (!interrupt.aborted && !this.#wake.signal.aborted) throw error;
    }
    this.#wake = new AbortController();
    return !interrupt.aborted;
  }

  /** A server that cannot be asked now ends nothing: tunnels wait for it, too. The token may be a new one. */
  async #look(): Promise<Failure | undefined> {
    const ctx = this.#ctx;
    try {
      const endpoint = endpointOf(ctx, ctx.home, ctx.global);
      if (isAway(endpoint)) return undefined;
      const api = clientFor(ctx, endpoint, ctx.detail);
      const now = await api.getReservation({ params: { id: this.#id } });
      return now.state === "active" ? undefined : failureOf(ended(now));
    } catch (error) {
      // This machine's server takes its file along when it stops, and may be back in a moment.
      if (error instanceof NotConfigured) return undefined;
      const failure = failureOf(error);
      return failure.exit === EXIT.tryLater ? undefined : failure;
    }
  }
}
