/** Gives free GPUs to one that waits. Always under the schedule lock: one plan at a time, in all servers. */
import { allocate } from "../../store/allocations.ts";
import type { Tx } from "../../store/db.ts";
import { insertSecrets } from "../../store/secrets.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { changeReservation, LostRace, SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";
import { freePlaces } from "../gpus/devices.ts";
import { preparingMs } from "../lifecycle.ts";
import { newKeyPair } from "../people/key-pair.ts";
import { insertPodToken } from "../people/pod-token.ts";

/** Gives it places on these nodes; the attempt is stored here, before anything is asked for outside (L-04). `late` says why it is later than it was promised, if it is. Throws LostRace. */
export async function place(
  tx: Tx,
  core: Core,
  row: ReservationRow,
  nodes: readonly string[],
  late?: string,
): Promise<ReservationRow> {
  const [node = ""] = nodes;
  const where = `placed on ${nodes.join(", ")}`;
  const places = await freePlaces(tx.db, row, nodes);
  if (!places || !(await allocate(tx, places)))
    throw new LostRace(`a GPU of ${nodes.join(", ")} was given away meanwhile`);
  const host_key = row.host_key ?? (await makeKeys(tx, row));
  return changeReservation(
    tx,
    row,
    { actor: SYSTEM },
    { type: "preparing", detail: late === undefined ? where : `${where}, later than promised: ${late}` },
    {
      state: "preparing",
      reason: null,
      last_error: null,
      planned_start_at: null,
      planned_nodes: null,
      node,
      host_key,
      isolation: core.driver.isolation,
      ssh_user: core.driver.sshUser,
      attempt: row.attempt + 1,
      placed_at: tx.at,
      launched_at: null,
      proved_at: null,
      preparing_deadline: new Date(tx.now.getTime() + preparingMs(row)).toISOString(),
      next_step_at: tx.at,
    },
  );
}

/** The pod's host key, the probe's key and the pod's token; kept over attempts, so that clients know one host key. */
async function makeKeys(tx: Tx, row: ReservationRow): Promise<string> {
  const [host, probe] = [newKeyPair(), newKeyPair()];
  const secrets = {
    reservation_id: row.id,
    host_key: host.privateKey,
    probe_key: probe.privateKey,
    probe_public: probe.publicKey,
    ...(row.node_count === 1 ? { peer_key: null, peer_public: null } : peerKeys()),
  };
  await insertSecrets(tx, secrets);
  await insertPodToken(tx, row, secrets);
  return host.publicKey;
}

/** With these the nodes of the reservation reach each other. */
function peerKeys() {
  const { privateKey, publicKey } = newKeyPair();
  return { peer_key: privateKey, peer_public: publicKey };
}
