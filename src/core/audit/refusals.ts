/**
 * What is asked for by people who have not shown who they are, or may not do it: refusals, with their code as the outcome, and logins that
 * are begun. Guessing at tokens must not fill the database: the same is written once a minute, and of each kind so many of each user, and
 * of all who have not shown who they are together; of the others the number. So nobody's is hidden behind what strangers try.
 */
import type { Problem } from "../../api/errors.ts";
import { insertAudit } from "../../store/audit.ts";
import type { AuditRow } from "../../store/tables.ts";
import { Behind } from "../behind.ts";
import type { Core } from "../core.ts";
import { newId } from "../ids.ts";
import { LoginRefused } from "../logins/providers.ts";
import { currentOrigin } from "./origin.ts";
import { OK } from "./record.ts";

const MINUTE_MS = 60_000;
const MAX_A_MINUTE = 20;
const MAX_SUBJECT = 200;
/** The actor of what was asked for without a token that anybody has. */
export const ANONYMOUS = "anonymous";

/** What is kept for the audit trail when somebody may not do something, and when somebody is not let in. */
const REFUSALS: readonly string[] = ["not_logged_in", "not_allowed"];
const REFUSED_LOGINS: readonly string[] = ["not_allowed", "name_taken", "login_over", "conflict"];

type Entry = Omit<AuditRow, "id" | "at">;
type Action = "access.refuse" | "login.refuse" | "login.begin";

interface Minute {
  readonly actor: string;
  readonly action: Action;
  readonly began: number;
  readonly seen: Set<string>;
  others: number;
  /** Of the last of the others. */
  outcome: string;
}

export class Refusals {
  readonly #behind: Behind<Entry>;
  readonly #now: () => number;
  /** By action and actor, in the order in which they began. */
  readonly #minutes = new Map<string, Minute>();
  readonly #noted = new WeakSet<Problem>();

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
  note(problem: Problem, what: string, userId: string | undefined, address?: string): void {
    const { code, message } = problem;
    if (!REFUSALS.includes(code) || this.#noted.has(problem)) return;
    this.#add(
      "access.refuse",
      { actor: userId ?? ANONYMOUS, subject: what, detail: message, outcome: code },
      address,
    );
  }

  /** A login that is refused, if this problem is such a refusal, with whom the provider knows if it does. Never waits and never throws. */
  noteLogin(problem: Problem, userId: string | undefined): void {
    const { code, message } = problem;
    if (!REFUSED_LOGINS.includes(code)) return;
    this.#noted.add(problem);
    const claimed = problem instanceof LoginRefused ? problem.claimed : undefined;
    const detail = JSON.stringify({ why: message, ...claimed });
    const subject = claimed?.name ?? "nobody who is known";
    this.#add("login.refuse", { actor: userId ?? ANONYMOUS, subject, detail, outcome: code });
  }

  /** Somebody begins a login with a provider of this kind. Never waits and never throws. */
  noteBegun(kind: string): void {
    this.#add("login.begin", { actor: ANONYMOUS, subject: kind, detail: null, outcome: OK });
  }

  /** Resolves when all that was noted is written. */
  written(): Promise<void> {
    return this.#behind.written();
  }

  #add(
    action: Action,
    given: Pick<Entry, "actor" | "subject" | "detail" | "outcome">,
    address = currentOrigin()?.address,
  ): void {
    const { actor, outcome } = given;
    const minute = this.#minute(action, actor);
    // PostgreSQL has no NUL in text, and what providers call people goes to terminals.
    const subject = given.subject.slice(0, MAX_SUBJECT).replaceAll(/\p{C}/gu, "?");
    const key = JSON.stringify([actor, subject, outcome, address]);
    if (minute.seen.has(key)) return;
    if (minute.seen.size >= MAX_A_MINUTE) {
      minute.others += 1;
      minute.outcome = outcome;
      return;
    }
    minute.seen.add(key);
    const from = { from_address: address ?? null, request_id: currentOrigin()?.requestId ?? null };
    this.#behind.add({ ...given, action, subject, ...from });
  }

  /** The present one of this action by this actor; of those that are over it is told how many were not written. */
  #minute(action: Action, actor: string): Minute {
    const now = this.#now();
    const key = `${action} ${actor}`;
    const last = this.#minutes.get(key);
    if (last && now - last.began < MINUTE_MS) return last;
    this.#endMinutes(now);
    const next = { actor, action, began: now, seen: new Set<string>(), others: 0, outcome: OK };
    this.#minutes.set(key, next);
    return next;
  }

  /** Nobody's is kept because he never comes again: there are as many as were refused within a minute. */
  #endMinutes(now: number): void {
    for (const [key, { actor, action, began, others, outcome }] of this.#minutes) {
      if (now - began < MINUTE_MS) return;
      this.#minutes.delete(key);
      if (others === 0) continue;
      const detail = `${others} more in a minute before this one`;
      const from = { from_address: null, request_id: null };
      this.#behind.add({ actor, action, subject: "others", detail, outcome, ...from });
    }
  }
}
