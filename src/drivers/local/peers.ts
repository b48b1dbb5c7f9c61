/** How the pods of a gang reach each other: an address and a name for each, and ssh without a password between them. */
import { id8 } from "../../api/names.ts";
import type { Gang, PodSpec } from "../driver.ts";
import { addressOf, PEER_PORT } from "./addresses.ts";
import type { Isolation } from "./isolation.ts";
import { word } from "./sshd-config.ts";

/** The place of a pod in its gang on this machine. */
export interface Peers {
  readonly gang: Gang;
  readonly block: number;
}

/** The gang that a pod's name belongs to, `<id>-<attempt>`; undefined for a pod that is alone. */
export const gangOf = (podName: string): string | undefined => /^(.+-\d+)-\d+$/.exec(podName)?.[1];

export const hostName = (reservationId: string, rank?: number): string =>
  `gpu-dev-${id8(reservationId)}${rank === undefined ? "" : `-${rank}`}`;

const ranks = ({ size }: Gang): number[] => Array.from({ length: size }, (_, rank) => rank);

/** Files of the control directory: what the pod's ssh client reads, and lines for its /etc/hosts. */
export function peerFiles(
  spec: PodSpec,
  { gang, block }: Peers,
  isolation: Isolation,
  dir: string,
): Record<string, string> {
  const all = ranks(gang).map((rank) => ({
    name: hostName(spec.reservationId, rank),
    address: addressOf(block, rank),
  }));
  const inside = (file: string) => word(`${isolation.controlInside(dir)}/${file}`).replaceAll("%", "%%");
  return {
    peer_key: gang.privateKey.endsWith("\n") ? gang.privateKey : `${gang.privateKey}\n`,
    peer_hosts: `gpu-dev-peer ${gang.hostKey}\n`,
    hosts: all.map(({ name, address }) => `${address} ${name}\n`).join(""),
    ssh_config: [
      ...all.flatMap(({ name, address }) => [`Host ${name} ${address}`, `  HostName ${address}`]),
      `Host ${all.flatMap(({ name, address }) => [name, address]).join(" ")}`,
      `  Port ${PEER_PORT}`,
      `  User ${isolation.sshUser}`,
      "  HostKeyAlias gpu-dev-peer",
      `  UserKnownHostsFile ${inside("peer_hosts")}`,
      "  StrictHostKeyChecking yes",
      "  UpdateHostKeys no",
      `  IdentityFile ${inside("peer_key")}`,
      "  IdentitiesOnly yes",
      "Match all",
      "",
    ].join("\n"),
  };
}

/**
 * What sessions see. In namespaces the names are in the pod's own /etc/hosts; plain processes share the host's, which is not ours,
 * so that they get addresses.
 */
export function peerEnvironment(
  spec: PodSpec,
  { gang, block }: Peers,
  isolation: Isolation,
  dir: string,
): Record<string, string> {
  const names = isolation.kind === "namespaces";
  const host = (rank: number) => (names ? hostName(spec.reservationId, rank) : addressOf(block, rank));
  return {
    GPU_DEV_HOSTS: ranks(gang).map(host).join(","),
    GPU_DEV_SSH_CONFIG: `${isolation.controlInside(dir)}/ssh_config`,
    MASTER_ADDR: host(0),
  };
}
