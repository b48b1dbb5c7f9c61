/** The driver as the rules use it: the pod of a reservation, and no call without an end. */
import type { Duplex } from "node:stream";
import { Problem } from "../../api/errors.ts";
import { id8 } from "../../api/names.ts";
import { DriverError, type Gang, LaunchRefused, type PodSpec } from "../../drivers/driver.ts";
import { allocationsOf } from "../../store/allocations.ts";
import { collaboratorsOf } from "../../store/collaborators.ts";
import { listKeys } from "../../store/keys.ts";
import { findSecrets } from "../../store/secrets.ts";
import type { Db, ReservationRow, SecretRow } from "../../store/tables.ts";
import { enabledOf } from "../../store/users.ts";
import type { Core } from "../core.ts";
import { homeOf } from "../disks/hold.ts";
import { podImage } from "../images/pod-image.ts";
import { podTokenEnvironment } from "../people/pod-token.ts";

/** A driver that has not answered in this time could not be asked; what it was asked is idempotent. */
export const DRIVER_MS = 30_000;
const DIAL_MS = 10_000;
const MAX_KEYS = 1000;

/** `<id>-<attempt>`; of several nodes each has its rank behind it. */
export const podName = (row: Pick<ReservationRow, "id" | "attempt" | "node_count">, rank = 0): string =>
  `${row.id}-${row.attempt}${row.node_count === 1 ? "" : `-${rank}`}`;

/** The reservation that a pod's name belongs to, or undefined for a name that is not one of ours. */
export const ownerOfPod = (name: string): string | undefined =>
  /^([a-z][a-z2-7]{19})-[1-9]\d{0,8}(?:-\d{1,4})?$/.exec(name)?.[1];

/** Which attempt of its reservation a pod of ours is. */
export const attemptOfPod = (name: string): number => Number(/-(\d+)/.exec(name)?.[1]);

/** `call`, or DriverError after `ms`. */
export async function bounded<T>(what: string, call: Promise<T>, ms = DRIVER_MS): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new DriverError(`${what}: no answer within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([call, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Words of a driver's error for users; undefined for an error that is nobody's intention. */
export const driverWords = (error: unknown): string | undefined =>
  error instanceof DriverError || error instanceof LaunchRefused ? error.message : undefined;

/** The same words; what the driver did not intend to throw goes on as it is. */
export function wordsOf(error: unknown): string {
  const words = driverWords(error);
  if (words === undefined) throw error;
  return words;
}

/** The keys of the owner and the collaborators who are not disabled, and of the other nodes, one line of authorized_keys each. */
export async function loginKeys(db: Db, row: ReservationRow): Promise<string[]> {
  const shared = await collaboratorsOf(db, [row.id]);
  const users = await enabledOf(db, [row.owner_id, ...shared.flatMap((one) => one.user_id ?? [])]);
  const keys = shared.flatMap((one) => (one.public_keys === "" ? [] : one.public_keys.split("\n")));
  for (const id of users) keys.unshift(...(await listKeys(db, id, MAX_KEYS)).map((key) => key.public_key));
  return [...new Set([...keys, ...(await peerKeys(db, row))])];
}

/** With it the nodes of one reservation reach each other. */
async function peerKeys(db: Db, row: ReservationRow): Promise<string[]> {
  return row.node_count === 1 ? [] : [(await secretsOf(db, row)).peer_public ?? ""];
}

/** Those keys, and until ssh is proved the probe's. */
export async function podKeys(db: Db, row: ReservationRow): Promise<string[]> {
  return [...(await loginKeys(db, row)), probeLine(await secretsOf(db, row))];
}

/** May log in and do nothing else. */
const probeLine = (secrets: SecretRow): string => `restrict,command="exit 0" ${secrets.probe_public}`;

/** The port of rank 0 at which the nodes of a job meet, by the custom of torchrun and its kin. */
const MASTER_PORT = "29500";

/** What to launch, by rank. Until ssh works the pods' deadline has room for the whole preparing time. Throws LaunchRefused. */
export async function podSpecs(core: Core, db: Db, row: ReservationRow, now: Date): Promise<PodSpec[]> {
  const secrets = await secretsOf(db, row);
  const held = Map.groupBy(await allocationsOf(db, [row.id]), (a) => a.node_rank);
  const preparingMs = Date.parse(row.preparing_deadline ?? "") - now.getTime();
  const common = {
    reservationId: row.id,
    gpuType: row.gpu_type,
    simulated: row.simulated === 1,
    hostKey: secrets.host_key,
    authorizedKeys: await podKeys(db, row),
    deadlineS: Math.ceil(preparingMs / 1000) + row.duration_s,
    ...(await podImage(db, core.settings.images, row)),
  };
  const token = await podTokenEnvironment(db, secrets);
  const disk = await homeOf(db, row);
  const nodes = Array.from({ length: row.node_count }, (_, rank) => held.get(rank)?.[0]?.node ?? "");
  return [...held].map(([rank, places]) => {
    const gpus = row.gpu_count === 0 ? [] : places.map((a) => a.gpu_index);
    return {
      ...common,
      name: podName(row, rank),
      node: nodes[rank] ?? "",
      gpus,
      environment: {
        GPU_DEV_RESERVATION_ID: row.id,
        GPU_DEV_GPU_TYPE: row.gpu_type,
        GPU_DEV_GPU_COUNT: String(gpus.length),
        GPU_DEV_SIMULATED: String(row.simulated),
        ...token,
        ...(row.node_count === 1 ? {} : rankEnvironment(row, rank)),
      },
      ...gangOf(row, secrets, { rank, nodes }),
      ...(disk ? { disk } : {}),
    };
  });
}

/** Drivers put what resolves in their pods in place of these host names. */
function rankEnvironment(row: ReservationRow, rank: number): Record<string, string> {
  const hosts = Array.from({ length: row.node_count }, (_, i) => `gpu-dev-${id8(row.id)}-${i}`);
  return {
    GPU_DEV_RANK: String(rank),
    GPU_DEV_WORLD_SIZE: String(row.node_count),
    GPU_DEV_HOSTS: hosts.join(","),
    MASTER_ADDR: hosts[0] ?? "",
    MASTER_PORT,
  };
}

function gangOf(
  row: ReservationRow,
  secrets: SecretRow,
  place: Pick<Gang, "rank" | "nodes">,
): { gang?: Gang } {
  if (row.node_count === 1) return {};
  const [privateKey, hostKey] = [secrets.peer_key ?? "", row.host_key ?? ""];
  return { gang: { ...place, size: row.node_count, privateKey, hostKey } };
}

/** The private keys of a reservation that has been placed. */
export async function secretsOf(db: Db, row: ReservationRow): Promise<SecretRow> {
  const secrets = await findSecrets(db, row.id);
  if (!secrets) throw new Error(`reservation ${row.id} is ${row.state} and has no keys`);
  return secrets;
}

/** A stream to a port of the reservation's pod of that rank. Throws Problem pod_unreachable. */
export async function dialPod(core: Core, row: ReservationRow, port: number, rank = 0): Promise<Duplex> {
  const dialling = core.driver.dial(podName(row, rank), port);
  try {
    return await bounded("the pod", dialling, DIAL_MS);
  } catch (cause) {
    // A stream that comes too late is nobody's.
    dialling.then(
      (stream) => stream.destroy(),
      () => undefined,
    );
    const words = driverWords(cause);
    if (words === undefined) throw cause;
    throw new Problem("pod_unreachable", `port ${port} of the pod does not answer: ${words}`, { cause });
  }
}
