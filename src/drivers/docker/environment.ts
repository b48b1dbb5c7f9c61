/** What every session in a pod sees: what the image says, then the reservation, then the pod itself. */
import type { PodSpec } from "../driver.ts";
import { hostName } from "../local/peers.ts";
import { SEARCH_PATH } from "../local/pod-dir.ts";
import { CONTROL } from "./places.ts";
import type { PodPlan } from "./pod.ts";
import { TOOLS } from "./tools.ts";

export const nameOf = (variable: string): string => variable.split("=", 1)[0] ?? "";

export function environmentOf({ spec, image, share }: PodPlan): Record<string, string> {
  const given = Object.fromEntries((image.config.Env ?? []).map(withName).filter(isPassedOn));
  return {
    ...given,
    ...spec.environment,
    ...share.environment,
    ...peerEnvironment(spec),
    // What the image does not have is found last.
    PATH: `${given.PATH ?? SEARCH_PATH}:${TOOLS}/bin`,
    GPU_DEV_POD: spec.name,
    GPU_DEV_RESERVATION_ID: spec.reservationId,
    GPU_DEV_GPU_TYPE: spec.gpuType,
    GPU_DEV_GPU_COUNT: String(spec.gpus.length),
    GPU_DEV_SIMULATED: spec.simulated ? "1" : "0",
  };
}

function withName(variable: string): [string, string] {
  const name = nameOf(variable);
  return [name, variable.slice(name.length + 1)];
}

const isPassedOn = ([name, value]: [string, string]): boolean =>
  /^[A-Za-z_]\w*$/.test(name) && !/\p{Cc}/u.test(value);

/** The engine resolves the names of the others. */
export const gangHosts = (reservationId: string, size: number): string[] =>
  Array.from({ length: size }, (_, rank) => hostName(reservationId, rank));

function peerEnvironment({ gang, reservationId }: PodSpec): Record<string, string> {
  if (!gang) return {};
  const hosts = gangHosts(reservationId, gang.size);
  return {
    GPU_DEV_HOSTS: hosts.join(","),
    GPU_DEV_SSH_CONFIG: `${CONTROL}/ssh_config`,
    MASTER_ADDR: hosts[0] ?? "",
  };
}
