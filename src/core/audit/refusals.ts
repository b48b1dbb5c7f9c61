/**
 * Who was refused, and what: entries of the audit trail with the code of the refusal as their outcome. Guessing at tokens must not
 * fill the database: the same refusal is written once a minute, and so many in all; of the others the number.
 */
import type { Problem } from "../../api/errors.ts";
import { insertAudit } from "../../store/audit.ts";
import type { AuditRow } from "../../store/tables.ts";
import { Behind } from "../behind.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { currentOrigin } from "./origin.ts";

const MINUTE_MS = 60_000;
const MAX_A_MINUTE = 20;
const MAX_SUBJECT = 200;
const REFUSED = "access.refuse";
/** The actor of what was asked for without a token that anybody has. */
export const ANONYMOUS = "anonymous";

/** What is kept for the audit trail when somebody may not do something. */
const REFUSALS: readonly string[] = ["not_logged_in", "not_allowed"];

type Entry = Omit<AuditRow, "id" | "at">;

export class Refusals {
  readonly #behind: Behind<Entry>;
  readonly #now: () => number;
  #minute = { began: Number.NEGATIVE_INFINITY, seen: new Set<string>(), others: 0 };

  /** `now` in milliseconds, from any beginning. */
  constructor(core: Pick<Core, "store" | "log">, now = () => performance.now()) {
    this.#now = now;
    this.#behind = new Behind(
      core,
      "refusals could not be written to the audit trail",
      async (tx, entries) => {
        for (const entry of entries) await insertAudit(tx, { id: newId(), at: tx.at, ...entry });
      },
    );
  }

  /**
   * A refusal, if this problem is one: `what` is the request or the tunnel that was asked for, and `userId` who asked, undefined for who
   * has not shown that. Never waits and never throws.
   */
  note(problem: Problem, what: string, userId: string | undefined, address = currentOrigin()?.address): void {
    const { code, message } = problem;
    if (!REFUSALS.includes(code)) return;
    this.#turnMinute();
    const key = JSON.stringify([userId, what, code, address]);
    if (this.#minute.seen.has(key)) return;
    if (this.#minute.seen.size >= MAX_A_MINUTE) {
      this.#minute.others += 1;
      return;
    }
    this.#minute.seen.add(key);
    this.#behind.add({
      actor: userId ?? ANONYMOUS,
      action: REFUSED,
      subject: what.slice(0, MAX_SUBJECT),
      detail: message,
      outcome: code,
      from_address: address ?? null,
      request_id: currentOrigin()?.requestId ?? null,
    });
  }

  /** Resolves when all that was noted is written. */
  written(): Promise<void> {
    return this.#behind.written();
  }

  #turnMinute(): void {
    const now = this.#now();
    if (now - this.#minute.began < MINUTE_MS) return;
    const { others } = this.#minute;
    this.#minute = { began: now, seen: new Set(), others: 0 };
    if (others === 0) return;
    this.#behind.add({
      actor: SYSTEM,
      action: REFUSED,
      subject: "others",
      detail: `${others} more in a minute before this one`,
      outcome: "not_logged_in",
      from_address: null,
      request_id: null,
    });
  }
}
