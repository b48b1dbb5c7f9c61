/**
 * The disks of Docker hosts: on each one volume with the layout of local-disks/layout.ts, and while there is something to do an agent
 * (agent.ts) in a container of its own that has the volume and nothing else. The files of a disk are bound into its pod as the home;
 * the pod's init holds the lock on the disk.
 */

import { isId } from "../../api/names.ts";
import type { DiskHosts } from "../disks.ts";
import { findContainer, isAlive } from "../docker/container.ts";
import type { Engine } from "../docker/engine.ts";
import type { DockerHost } from "../docker/host.ts";
import { LABEL, type Names } from "../docker/names.ts";
import type { OwnImage } from "../docker/own-image.ts";
import { DISK, HOME } from "../docker/places.ts";
import { DriverError } from "../driver.ts";
import { startAgent } from "./agent-container.ts";
import { RemoteDisks } from "./remote-disks.ts";

/** `agent` is what they are worked on by; nothing is begun where it throws. */
export const disksOn = (engine: Engine, names: Names, agent: () => Promise<OwnImage>): RemoteDisks =>
  new RemoteDisks({
    start: async () => startAgent(engine, names, volumeOf(names), await agent()),
    requirePod: async (pod, disk) => {
      const container = await findContainer(engine, names, pod);
      if (container && isAlive(container) && container.Config.Labels?.[LABEL.disk] === disk) return;
      throw new DriverError("the pod that has the disk is not running");
    },
  });

const volumeOf = (names: Names): string => names.of("disks");

/** By the names of the nodes. */
export const disksOf = (hosts: readonly Pick<DockerHost, "node" | "disks">[]): DiskHosts => ({
  limits: RemoteDisks.limits,
  names: hosts.map(({ node }) => node),
  on(host) {
    const found = hosts.find(({ node }) => node === host);
    if (found) return found.disks;
    throw new DriverError(
      host === null
        ? "the disk is on the server's own machine, not on a Docker host"
        : `the disk is on ${host}, which is not among the Docker hosts any more`,
    );
  },
});

/** Makes the disk ready and says how a container has it as its home. Throws LaunchRefused when a pod cannot have it (D-02). */
export async function homeMounts(
  { engine, disks }: Pick<DockerHost, "engine" | "disks">,
  names: Names,
  disk: string,
): Promise<object[]> {
  await disks.attach(disk);
  if (!isId(disk)) throw new TypeError(`${JSON.stringify(disk)} is not the id of a disk`);
  // Engines before 26 bind no part of a volume, but of a directory of theirs.
  const { Mountpoint } = await engine.ask<{ Mountpoint: string }>("GET", `/volumes/${volumeOf(names)}`);
  const volume = `${Mountpoint}/disks/${disk}`;
  return [
    { Type: "bind", Source: `${volume}/home`, Target: HOME },
    { Type: "bind", Source: volume, Target: DISK, ReadOnly: true },
  ];
}
