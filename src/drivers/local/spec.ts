/** What a pod may be launched with. Everything that reaches a file or a process is checked here first. */
import { isId } from "../../api/names.ts";
import { type Gang, LaunchRefused, type PodSpec } from "../driver.ts";
import { gangOf } from "./peers.ts";
import { isPodName } from "./pod-dir.ts";

const HOST_KEY =
  /^-----BEGIN OPENSSH PRIVATE KEY-----\n[A-Za-z0-9+/=\n]{1,16384}-----END OPENSSH PRIVATE KEY-----\n?$/;
const AUTHORIZED_KEY =
  /^(?:restrict,command="exit 0" )?(?:ssh-|ecdsa-|sk-)[a-z0-9@.-]{3,60} [A-Za-z0-9+/]{16,16384}={0,2}(?: [^\p{Cc}]*)?$/u;
/** Each has an address of its own in a block of 256. */
const MAX_GANG = 250;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
/** Variables that would change what the pod's own programs are, not what the user's see. */
const RESERVED = /^(?:LD_|DYLD_|BASH_ENV$|ENV$|HOME$|PATH$|SHELL$|USER$|LOGNAME$|SSH_|GPU_DEV_POD)/;
const MAX_NOTICE = 2000;
const GPU_TYPE = /^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/;

/** Throws LaunchRefused with the offending part. */
export function checkSpec(spec: PodSpec): void {
  refuseUnless(isPodName(spec.name), `${quoted(spec.name)} is not the name of a pod`);
  refuseUnless(isId(spec.reservationId), `${quoted(spec.reservationId)} is not the id of a reservation`);
  refuseUnless(
    spec.name.startsWith(`${spec.reservationId}-`),
    `the pod ${spec.name} does not belong to the reservation ${spec.reservationId}`,
  );
  refuseUnless(
    spec.gang === undefined
      ? gangOf(spec.name) === undefined
      : spec.name.endsWith(`-${spec.gang.rank}`) && gangOf(spec.name) !== undefined,
    `the pod ${spec.name} does not say its rank`,
  );
  if (spec.gang) checkGang(spec.gang);
  if (spec.disk) refuseUnless(isId(spec.disk.volume), `${quoted(spec.disk.volume)} is not the id of a disk`);
  refuseUnless(GPU_TYPE.test(spec.gpuType), `${quoted(spec.gpuType)} is not a GPU type`);
  refuseUnless(
    spec.gpus.every((gpu) => Number.isInteger(gpu) && gpu >= 0) &&
      new Set(spec.gpus).size === spec.gpus.length,
    "the GPU indices are not distinct whole numbers",
  );
  refuseUnless(HOST_KEY.test(spec.hostKey), "the host key is not a private key in OpenSSH's format");
  checkKeys(spec.authorizedKeys);
  checkDeadline(spec.deadlineS);
  checkEnvironment(spec.environment);
}

function checkGang({ rank, size, privateKey, hostKey }: Gang): void {
  refuseUnless(process.platform === "linux", "several nodes on one machine need Linux");
  refuseUnless(
    Number.isInteger(size) &&
      size > 1 &&
      size <= MAX_GANG &&
      Number.isInteger(rank) &&
      rank >= 0 &&
      rank < size,
    `the rank ${rank} of ${size} is none of 2 to ${MAX_GANG} nodes`,
  );
  refuseUnless(HOST_KEY.test(privateKey), "the key of the nodes is not a private key in OpenSSH's format");
  refuseUnless(AUTHORIZED_KEY.test(hostKey), "the host key of the nodes is not a public key");
}

/** One key to a line, without options but the one that lets it do nothing: neither a line break nor a command gets in. */
export function checkKeys(keys: readonly string[]): void {
  for (const key of keys)
    refuseUnless(AUTHORIZED_KEY.test(key), `${quoted(key)} is not a public key, or has options`);
}

export function checkDeadline(seconds: number): void {
  refuseUnless(Number.isSafeInteger(seconds), `the deadline ${seconds} is not a whole number of seconds`);
}

/** Lines for terminals: nothing that could move a cursor or change a colour. */
export function checkNotice(text: string): void {
  refuseUnless(!/[^\P{Cc}\n]/u.test(text), "the notice has control characters");
  refuseUnless(text.length <= MAX_NOTICE, `the notice is longer than ${MAX_NOTICE}`);
}

function checkEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(environment)) {
    refuseUnless(VARIABLE.test(name), `${quoted(name)} is not the name of an environment variable`);
    refuseUnless(!RESERVED.test(name), `the environment variable ${name} is set by the pod itself`);
    refuseUnless(
      !/\p{Cc}/u.test(value) && value.length <= 4096,
      `the value of ${name} has control characters or is longer than 4096`,
    );
  }
}

function refuseUnless(holds: boolean, detail: string): asserts holds {
  if (!holds) throw new LaunchRefused(detail);
}

const quoted = (text: string): string => JSON.stringify(text.slice(0, 80));
