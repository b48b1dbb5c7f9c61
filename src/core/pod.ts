/** The driver as the rules use it: the pod of a reservation, and no call without an end. */
import type { Duplex } from "node:stream";
import { Problem } from "../api/errors.ts";
import { DriverError, LaunchRefused, type PodSpec } from "../drivers/driver.ts";
import { allocationsOf } from "../store/allocations.ts";
import { collaboratorsOf } from "../store/collaborators.ts";
import { listKeys } from "../store/keys.ts";
import { findSecrets } from "../store/secrets.ts";
import type { Db, ReservationRow, SecretRow } from "../store/tables.ts";
import type { Core } from "./core.ts";
import { podTokenEnvironment } from "./pod-token.ts";

/** A driver that has not answered in this time could not be asked; what it was asked is idempotent. */
const DRIVER_MS = 30_000;
const DIAL_MS = 10_000;
const MAX_KEYS = 1000;

export const podName = (row: Pick<ReservationRow, "id" | "attempt">): string => `${row.id}-${row.attempt}`;

/** The reservation that a pod's name belongs to, or undefined for a name that is not one of ours. */
export const ownerOfPod = (name: string): string | undefined =>
  /^([a-z][a-z2-7]{19})-[1-9]\d{0,8}$/.exec(name)?.[1];

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

/** The keys of the owner and the collaborators, one line of authorized_keys each. */
export async function loginKeys(db: Db, row: ReservationRow): Promise<string[]> {
  const shared = await collaboratorsOf(db, [row.id]);
  const users = [row.owner_id, ...shared.flatMap((one) => one.user_id ?? [])];
  const keys = shared.flatMap((one) => (one.public_keys === "" ? [] : one.public_keys.split("\n")));
  for (const id of users) keys.unshift(...(await listKeys(db, id, MAX_KEYS)).map((key) => key.public_key));
  return [...new Set(keys)];
}

/** Those keys, and until ssh is proved the probe's. */
export async function podKeys(db: Db, row: ReservationRow): Promise<string[]> {
  return [...(await loginKeys(db, row)), probeLine(await secretsOf(db, row))];
}

/** May log in and do nothing else. */
const probeLine = (secrets: SecretRow): string => `restrict,command="exit 0" ${secrets.probe_public}`;

/** What to launch. Until ssh works the pod's deadline has room for the whole preparing time. */
export async function podSpec(db: Db, row: ReservationRow, now: Date): Promise<PodSpec> {
  const secrets = await secretsOf(db, row);
  const held = await allocationsOf(db, [row.id]);
  const preparingMs = Date.parse(row.preparing_deadline ?? "") - now.getTime();
  return {
    name: podName(row),
    reservationId: row.id,
    node: row.node ?? "",
    gpuType: row.gpu_type,
    gpus: row.gpu_count === 0 ? [] : held.map((a) => a.gpu_index),
    simulated: row.simulated === 1,
    hostKey: secrets.host_key,
    authorizedKeys: await podKeys(db, row),
    deadlineS: Math.ceil(preparingMs / 1000) + row.duration_s,
    environment: {
      GPU_DEV_RESERVATION_ID: row.id,
      GPU_DEV_GPU_TYPE: row.gpu_type,
      GPU_DEV_GPU_COUNT: String(row.gpu_count),
      GPU_DEV_SIMULATED: String(row.simulated),
      ...(await podTokenEnvironment(db, secrets)),
    },
  };
}

/** The private keys of a reservation that has been placed. */
export async function secretsOf(db: Db, row: ReservationRow): Promise<SecretRow> {
  const secrets = await findSecrets(db, row.id);
  if (!secrets) throw new Error(`reservation ${row.id} is ${row.state} and has no keys`);
  return secrets;
}

/** A stream to a port of the reservation's pod. Throws Problem pod_unreachable. */
export async function dialPod(core: Core, row: ReservationRow, port: number): Promise<Duplex> {
  const dialling = core.driver.dial(podName(row), port);
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
