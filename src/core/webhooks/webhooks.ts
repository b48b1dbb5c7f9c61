/**
 * A *webhook* is a URL of the owner's, to which the server posts what happens to his reservation (docs/webhooks.md). What is to be
 * posted, a *delivery*, is written in the transaction of the change itself; courier.ts brings it there.
 */
import { createHmac, randomBytes } from "node:crypto";
import { Problem } from "../../api/errors.ts";
import { VERSION } from "../../api/version.ts";
import type { Tx } from "../../store/db.ts";
import { findReservation } from "../../store/reservations.ts";
import type { Db, DeliveryRow, ReservationRow, WebhookRow } from "../../store/tables.ts";
import { deleteWebhook, saveWebhook } from "../../store/webhooks.ts";
import { changeReservation } from "../change.ts";
import type { Core, Post } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { viewReservations } from "../view.ts";

/** Throws Problem invalid_input for a URL to which nothing would ever be posted. */
export function checkWebhook(core: Core, url: string): void {
  const fault = core.webhooks.fault(url);
  if (fault === undefined) return;
  const detail = `webhook: ${fault}`;
  throw new Problem("invalid_input", detail, {
    hint: "the server's administrator can allow it: `webhooks` in the configuration file",
    errors: [{ field: "webhook", code: "not_allowed", detail }],
  });
}

/** With a secret of its own: who receives at another URL must not know the one before. */
export const newWebhook = (reservationId: string, url: string): WebhookRow => ({
  reservation_id: reservationId,
  url,
  host: new URL(url).host,
  secret: `whsec_${randomBytes(32).toString("base64url")}`,
  last_error: null,
});

/** Sets or replaces it, null for none. First the row, whose lock keeps changes that would be posted apart from this one. */
export async function setWebhook(
  tx: Tx,
  row: ReservationRow,
  caller: Caller,
  url: string | null,
): Promise<ReservationRow> {
  const webhook = url === null ? undefined : newWebhook(row.id, url);
  // Others read the history: of the URL, which may hold secrets, it has the host.
  const detail = webhook === undefined ? "none" : `to ${webhook.host}`;
  const changed = await changeReservation(tx, row, { actor: caller.id }, { type: "webhook", detail }, {});
  if (webhook === undefined) await deleteWebhook(tx, row.id);
  else await saveWebhook(tx, webhook);
  return changed;
}

/** One delivery as it is posted now: what happened then, and the reservation as it is now. */
export async function postOf(
  core: Core,
  db: Db,
  now: Date,
  delivery: DeliveryRow,
  { url, secret }: WebhookRow,
): Promise<Post> {
  const { id, event, at, version, detail } = delivery;
  const row = await findReservation(db, delivery.reservation_id);
  if (!row) throw new Error(`delivery ${id} is of no reservation`);
  const [seen] = await viewReservations(core, db, [row], { id: row.owner_id });
  const body = JSON.stringify({ id, event, at, version, detail, reservation: { ...seen, webhook: null } });
  return {
    url,
    body,
    headers: {
      "content-type": "application/json",
      "user-agent": `gpu-dev/${VERSION}`,
      "gpu-dev-event": event,
      "gpu-dev-delivery": id,
      "gpu-dev-signature": sign(secret, body, now),
    },
  };
}

/** HMAC-SHA-256 over "seconds.body", as `t=…,v1=…`; with the time in it, an old message cannot be played again. */
function sign(secret: string, body: string, now: Date): string {
  const t = Math.floor(now.getTime() / 1000);
  return `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}`;
}
