/**
 * The token that a pod has: good for looking at its own reservation and for ending it, as long as that lives. It is computed from a
 * secret that never leaves the server, so that a launch that is repeated is the same pod, and only its hash is stored.
 */
import { createHmac } from "node:crypto";
import type { Tx } from "../../store/db.ts";
import { findMeta, saveMeta } from "../../store/meta.ts";
import type { Db, ReservationRow, SecretRow } from "../../store/tables.ts";
import { insertToken, UNUSED } from "../../store/tokens.ts";
import { newId } from "../ids.ts";
import { hashOf, prefixOf, tokenOf } from "./token.ts";

const API_URL = "api_url";

const podToken = (secrets: SecretRow): string =>
  tokenOf(createHmac("sha256", secrets.probe_key).update(`token of ${secrets.reservation_id}`).digest());

/** Makes the token good. */
export async function insertPodToken(tx: Tx, row: ReservationRow, secrets: SecretRow): Promise<void> {
  const token = podToken(secrets);
  await insertToken(tx, {
    ...UNUSED,
    id: newId(),
    user_id: row.owner_id,
    hash: hashOf(token),
    prefix: prefixOf(token),
    label: "pod",
    scope: "pod",
    created_at: tx.at,
    expires_at: null,
    reservation_id: row.id,
  });
}

/** What a session in the pod needs to use it; nothing while no server has said where the API is. */
export async function podTokenEnvironment(db: Db, secrets: SecretRow): Promise<Record<string, string>> {
  const url = await findMeta(db, API_URL);
  return url === undefined ? {} : { GPU_DEV_URL: url, GPU_DEV_TOKEN: podToken(secrets) };
}

/** Tells pods that are launched from now on where the API is. */
export const announceApi = (tx: Tx, url: string): Promise<void> => saveMeta(tx, API_URL, url);
