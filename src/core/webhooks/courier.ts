/**
 * Brings deliveries to their webhooks, at least once each: claimed in a transaction, posted, settled in another. Those of one
 * reservation come one after the other, also with many servers. It has hands of its own, and a host has few of them at a time, so that
 * a receiver that is slow or dead holds up neither reservations nor other receivers.
 */
import type { Tx } from "../../store/db.ts";
import { findReservation } from "../../store/reservations.ts";
import type { DeliveryRow, WebhookRow } from "../../store/tables.ts";
import * as store from "../../store/webhooks.ts";
import { changeReservation, isFinal, SYSTEM } from "../change.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";
import { decided } from "../race.ts";
import { postOf } from "./webhooks.ts";

export interface Courier {
  /** Begins what is due, if the `next` is, and does not wait for it; when to call it again, undefined for when something is settled. */
  begin(next: string | undefined, now: Date): Promise<string | undefined>;
  /** True while nothing is being posted. */
  idle(): boolean;
  /** Resolves when nothing is being posted any more; soon, once `signal` is aborted. */
  done(): Promise<void>;
}

/** Half of it is longer than a post may take, with time to settle it. */
const CLAIM_MS = 30_000;
const MAX_IN_HAND = 64;
/** At once; the next ones of this host when these are done. */
const MAX_PER_HOST = 8;
/** With the pauses between them about an hour: 8 s, 16 s, … 20 min. */
const TRIES = 10;
const FIRST_PAUSE_MS = 8000;
const LONGEST_PAUSE_MS = 20 * 60_000;

/** `onFree` is told each time that something is settled. */
export function createCourier(
  core: Core,
  conditions: Conditions,
  signal: AbortSignal,
  onFree: () => void,
): Courier {
  /** What is being posted, with its host. */
  const inHand = new Map<Promise<void>, string>();

  const hold = ({ delivery, webhook }: Taken): void => {
    const posting = conditions
      .watch("webhooks", "a delivery could not be settled; it is posted again", () =>
        deliver(core, signal, delivery, webhook),
      )
      .finally(() => {
        inHand.delete(posting);
        onFree();
      });
    inHand.set(posting, webhook.host);
  };

  return {
    idle: () => inHand.size === 0,
    async done() {
      await Promise.all(inHand.keys());
    },
    async begin(next, now) {
      if (next === undefined || next > now.toISOString()) return next;
      const taken = signal.aborted ? [] : await claim(core, [...inHand.values()]);
      for (const one of taken) hold(one);
      return taken.length > 0 ? next : undefined;
    },
  };
}

interface Taken {
  readonly delivery: DeliveryRow;
  readonly webhook: WebhookRow;
}

async function claim(core: Core, hosts: readonly string[]): Promise<Taken[]> {
  const limit = MAX_IN_HAND - hosts.length;
  if (limit <= 0) return [];
  const busy = [...new Set(hosts)];
  return core.store.write(async (tx) => {
    const until = new Date(tx.now.getTime() + CLAIM_MS).toISOString();
    const deliveries = await store.claimDeliveries(tx, { limit, perHost: MAX_PER_HOST, busy, until });
    const ids = [...new Set(deliveries.map((d) => d.reservation_id))];
    const webhooks = new Map((await store.webhooksOf(tx.db, ids)).map((w) => [w.reservation_id, w]));
    return deliveries.flatMap((delivery) => {
      const webhook = webhooks.get(delivery.reservation_id);
      return webhook ? [{ delivery, webhook }] : [];
    });
  });
}

async function deliver(
  core: Core,
  signal: AbortSignal,
  delivery: DeliveryRow,
  webhook: WebhookRow,
): Promise<void> {
  const post = await core.store.read(async (db, now) =>
    hasTime(delivery, now) ? postOf(core, db, now, delivery, webhook) : undefined,
  );
  if (!post) return;
  const failure = await core.webhooks.post(post, signal);
  if (failure !== undefined && signal.aborted)
    // The server stops: that says nothing about the receiver.
    await core.store.write((tx) => store.postponeDelivery(tx, delivery, tx.at, true));
  else if (failure !== undefined && delivery.tries < TRIES) await retry(core, delivery, webhook, failure);
  else await settle(core, delivery, webhook, failure);
}

/** Whether it can be posted before others claim it: else they do, and what comes after it, too. */
const hasTime = ({ next_try_at }: DeliveryRow, now: Date): boolean =>
  Date.parse(next_try_at) - now.getTime() > CLAIM_MS / 2;

async function retry(core: Core, delivery: DeliveryRow, webhook: WebhookRow, failure: string): Promise<void> {
  const postponed = await core.store.write(async (tx) => {
    const at = new Date(tx.now.getTime() + pauseAfter(delivery.tries)).toISOString();
    // Whoever has it by now, perhaps for another URL, tells how that went.
    if (!(await store.postponeDelivery(tx, delivery, at))) return false;
    await store.noteWebhook(tx, webhook, failure);
    return true;
  });
  if (postponed) core.signals.emit("posted", "retried");
}

/** Twice as long each time; a part by chance, so that those who failed together do not come again together. */
const pauseAfter = (tries: number): number =>
  Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1)) * (0.8 + 0.4 * Math.random());

/** It was taken, or is given up: that is told in the history. */
async function settle(
  core: Core,
  delivery: DeliveryRow,
  webhook: WebhookRow,
  failure: string | undefined,
): Promise<void> {
  const settled = await decided(() =>
    core.store.write(async (tx) => {
      if (!(await store.deleteDelivery(tx, delivery))) return false;
      if (failure !== undefined) await tellGivenUp(tx, delivery, webhook, failure);
      if (failure !== undefined || webhook.last_error !== null)
        await store.noteWebhook(tx, webhook, failure ?? null);
      await forget(tx, delivery.reservation_id);
      return true;
    }),
  );
  if (settled) core.signals.emit("posted", failure === undefined ? "delivered" : "given_up");
}

async function tellGivenUp(
  tx: Tx,
  { reservation_id, event, tries }: DeliveryRow,
  { host }: WebhookRow,
  failure: string,
): Promise<void> {
  const row = await findReservation(tx.db, reservation_id);
  if (!row) return;
  const detail = `"${event}" could not be posted to ${host} in ${tries} tries: ${failure}`;
  await changeReservation(tx, row, { actor: SYSTEM }, { type: "webhook given up", detail }, {});
}

/** Of a reservation that is over, nothing more comes: its secret is not kept. */
async function forget(tx: Tx, reservationId: string): Promise<void> {
  const row = await findReservation(tx.db, reservationId);
  if (row && isFinal(row) && !(await store.hasDeliveries(tx.db, reservationId)))
    await store.deleteWebhook(tx, reservationId);
}
