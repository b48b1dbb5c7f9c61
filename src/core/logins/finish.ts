/** How logins end: the provider is asked, in turn, until it knows who it is, and then there is a token. */
import { randomBytes } from "node:crypto";
import { Problem } from "../../api/errors.ts";
import type { LoginResult, SignedIdentity } from "../../api/logins.ts";
import type { Tx } from "../../store/db.ts";
import type { LoginRow } from "../../store/login-tables.ts";
import * as store from "../../store/logins.ts";
import type { Db } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { issue } from "../people/issue.ts";
import { hashOf, tokenOf } from "../people/token.ts";
import { admit } from "./admit.ts";
import { identityId } from "./identity-id.ts";
import type { Identity, Logins, Outcome } from "./providers.ts";

/** RFC 8628, 3.5. */
const SLOWER_S = 5;

export interface Given {
  readonly login: string;
  readonly aws?: SignedIdentity | undefined;
}

/**
 * Throws Problem login_over for one that is unknown, finished or too old, not_allowed for who may not come in, name_taken for a newcomer
 * whose name another has, and unavailable while the provider cannot be asked: then it may be tried again.
 */
export const finishLogin = (core: Core, given: Given): Promise<LoginResult> =>
  conclude(core, given, undefined, enter);

/** What a login comes to, in the transaction that ends it, under the lock "users". */
type Ending<T> = (tx: Tx, identity: Identity, kind: LoginRow["kind"], ttlS: number) => Promise<T>;

interface Pending {
  readonly state: "pending";
  readonly interval_s: number;
}

/** The login, and its ending once the provider knows who it is; `userId` is who asks, if that is known. Throws Problem as finishLogin does, and what the ending throws. */
export async function conclude<T>(
  core: Core,
  given: Given,
  userId: string | undefined,
  end: Ending<T>,
): Promise<T | Pending> {
  try {
    return await turn(core, given, end);
  } catch (error) {
    if (error instanceof Problem) core.refusals.noteLogin(error, userId);
    throw error;
  }
}

async function turn<T>(core: Core, given: Given, end: Ending<T>): Promise<T | Pending> {
  // Anybody may ask, and only who has begun one takes the database's one writer.
  await core.store.read((db, now) => known(db, now.toISOString(), given));
  const { row, mine } = await core.store.write((tx) => takeTurn(tx, given));
  const { logins } = core;
  // They were taken out of the configuration meanwhile.
  if (!logins) throw over();
  const outcome = mine ? await ask(core, logins, row, given) : "pending";
  if (outcome === "pending") return { state: "pending", interval_s: row.interval_s };
  if (outcome === "slow_down") return slower(core, row);
  return core.store.write(
    async (tx) => {
      if (row.kind !== "aws" && !(await store.deleteLogin(tx, row))) throw over();
      return end(tx, outcome, row.kind, logins.tokenTtlS);
    },
    // As where administrators change roles: the last one stays one.
    { lock: "users" },
  );
}

/** Of a code one at a time is asked about, as often as its provider wants; what was signed is good once. */
async function takeTurn(tx: Tx, given: Given): Promise<{ row: LoginRow; mine: boolean }> {
  const row = await known(tx.db, tx.at, given);
  if (row.kind !== "aws") return { row, mine: await store.takeTurn(tx, row) };
  if (!(await store.deleteLogin(tx, row))) throw over();
  return { row, mine: true };
}

/** Throws Problem login_over, and invalid_input for what is no answer to it. */
async function known(db: Db, at: string, { login, aws }: Given): Promise<LoginRow> {
  const row = await store.findLogin(db, at, hashOf(login));
  if (!row) throw over();
  if ((row.kind === "aws") !== (aws !== undefined)) throw wrongPart(row.kind);
  return row;
}

const over = (): Problem =>
  new Problem("login_over", "this login was finished, or took too long", { hint: "begin anew" });

function wrongPart(kind: string): Problem {
  const detail = kind === "aws" ? "is required" : `is not for a login with ${kind}`;
  return new Problem("invalid_input", `aws: ${detail}`, {
    errors: [{ field: "aws", code: "invalid", detail }],
  });
}

async function ask(core: Core, logins: Logins, row: LoginRow, { login, aws }: Given): Promise<Outcome> {
  const provider = logins.providers.find((each) => each.kind === row.kind);
  if (!provider) throw over();
  try {
    if (provider.kind !== "aws") return await provider.poll(row.device_code ?? "");
    if (aws) return await provider.verify(aws, login, await core.store.now());
    throw wrongPart("aws");
  } catch (error) {
    const final = error instanceof Problem && error.code !== "unavailable";
    if (final) await core.store.write((tx) => store.deleteLogin(tx, row));
    throw error;
  }
}

async function slower(core: Core, row: LoginRow): Promise<Pending> {
  const interval_s = row.interval_s + SLOWER_S;
  await core.store.write((tx) => store.slowLogin(tx, row, interval_s));
  return { state: "pending", interval_s };
}

/** The token is made with the login at the provider: it goes when that is unlinked. */
async function enter(tx: Tx, identity: Identity, kind: LoginRow["kind"], ttlS: number): Promise<LoginResult> {
  const token = tokenOf(randomBytes(32));
  const { id, name, role } = await admit(tx, identity);
  const endsBy = store.after(tx, ttlS);
  const madeWith = identityId(identity);
  await issue(tx, id, id, token, { label: `login with ${kind}`, scope: role, ttlS, endsBy, madeWith });
  return { state: "done", token, expires_at: endsBy, user: { id, name, role } };
}
