/** Secrets that are told once, and again only to who repeats the very request. */
import { createHmac, randomBytes } from "node:crypto";
import type { Tx } from "../../store/db.ts";
import { findToken } from "../../store/tokens.ts";
import type { Core } from "../core.ts";
import { answerOnce, type Idempotency, mismatch } from "../idempotency.ts";
import { decided } from "../race.ts";
import type { Caller } from "./access.ts";
import { hashOf, tokenOf } from "./token.ts";

/**
 * `make` with the secret of a new token, which it stores the hash of. With an idempotency key, what is kept for a repetition is no
 * secret: only together with the caller's own token, of which there is but a hash, does it give the new one.
 */
export async function tellOnce<T>(
  core: Core,
  caller: Caller,
  idempotency: Idempotency | undefined,
  make: (tx: Tx, secret: string) => Promise<T>,
): Promise<{ readonly made: T; readonly secret: string; readonly replayed: boolean }> {
  const key = idempotency?.seal ?? randomBytes(32);
  const secretOf = (salt: string): string => tokenOf(createHmac("sha256", key).update(salt).digest());
  const { body, replayed } = await decided(() =>
    core.store.write((tx) =>
      answerOnce(tx, caller, idempotency, async () => {
        const salt = randomBytes(32).toString("hex");
        return { made: await make(tx, secretOf(salt)), salt };
      }),
    ),
  );
  const secret = secretOf(body.salt);
  // The idempotency key is known, but it was another token of this user that asked.
  if (replayed && !(await core.store.read((db) => findToken(db, hashOf(secret))))) throw mismatch();
  return { made: body.made, secret, replayed };
}
