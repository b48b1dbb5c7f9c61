/** A request that carries an Idempotency-Key is done once; repeated, it gets the first answer again. */
import { Problem } from "../api/errors.ts";
import type { Tx } from "../store/db.ts";
import { findAnswer, forgetAnswers, insertAnswer } from "../store/idempotency.ts";
import { LostRace } from "./change.ts";
import type { Caller } from "./people/access.ts";
import { holdCaller } from "./people/standing.ts";

export interface Idempotency {
  readonly key: string;
  /** Of all that makes the request what it is. */
  readonly requestHash: string;
  /** Made of the caller's token, of which the database has but a hash: what is made of this in turn need not be stored. */
  readonly seal?: Buffer;
}

const ANSWERS_MS = 24 * 3_600_000;

export interface Answer<T> {
  readonly body: T;
  /** It is the first answer again, and nothing was done. */
  readonly replayed: boolean;
}

/**
 * `work` in this very transaction, or its first answer: which is kept, and so must hold no secret. Throws Problem not_logged_in for who was
 * disabled, or whose token was revoked, meanwhile; idempotency_mismatch; and LostRace to be tried again.
 */
export async function answerOnce<T>(
  tx: Tx,
  caller: Caller,
  given: Idempotency | undefined,
  work: () => Promise<T>,
): Promise<Answer<T>> {
  await holdCaller(tx, caller);
  if (!given) return { body: await work(), replayed: false };
  await forgetOldAnswers(tx);
  const earlier = await findAnswer(tx, caller.id, given.key);
  if (earlier && earlier.request_hash !== given.requestHash) throw mismatch();
  if (earlier) return { body: JSON.parse(earlier.reply) as T, replayed: true };
  const body = await work().catch(async (error: unknown) => {
    // What is in the way may be what the same request made, sent twice at one moment: then its answer is there by now.
    if (error instanceof Problem && (await findAnswer(tx, caller.id, given.key))) throw usedMeanwhile(given);
    throw error;
  });
  const first = await insertAnswer(tx, {
    user_id: caller.id,
    key: given.key,
    request_hash: given.requestHash,
    reply: JSON.stringify(body),
    created_at: tx.at,
  });
  // The same request at the same moment was faster: undone, and asked again, this one gets its answer.
  if (!first) throw usedMeanwhile(given);
  return { body, replayed: false };
}

const usedMeanwhile = ({ key }: Idempotency): LostRace =>
  new LostRace(`the idempotency key ${key} was used meanwhile`);

/** Answers are kept for 24 hours. */
export const forgetOldAnswers = (tx: Tx): Promise<void> =>
  forgetAnswers(tx, new Date(tx.now.getTime() - ANSWERS_MS).toISOString());

export const mismatch = (): Problem =>
  new Problem("idempotency_mismatch", "this Idempotency-Key was used for another request", {
    hint: "a key names one request; make a new one for each",
  });
