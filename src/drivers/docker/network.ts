/**
 * Networks of pods: one of the deployment, in which they do not reach each other, and one for each gang, in which they do; and one of builds. Engines make
 * several of one name when they are asked at the same moment, so that a network is known by its label, and the oldest counts.
 */
import { type Engine, unlessStatus } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

interface Network {
  readonly Id: string;
  readonly Created: string;
}

const PODS = "pods";
const BUILDS = "builds";
const ICC = "com.docker.network.bridge.enable_icc";

/** The network of pods that are alone, made where it is missing; its id. */
export const podNetwork = (engine: Engine, names: Names): Promise<string> =>
  ensure(engine, names, PODS, { [ICC]: "false" });

/** The network of builds, made where it is missing; its id. Not that of the pods: a step may forge packets, as pods may not. */
export const buildNetwork = (engine: Engine, names: Names): Promise<string> =>
  ensure(engine, names, BUILDS, { [ICC]: "false" });

/** The network of a gang, made where it is missing; its id. */
export const gangNetwork = (engine: Engine, names: Names, gang: string): Promise<string> =>
  ensure(engine, names, gang, {});

/** Its last pod takes it away; at once when it is gone, or has somebody in it again. */
export async function leaveGang(engine: Engine, names: Names, gang: string): Promise<void> {
  for (const { Id } of await find(engine, names, gang)) await removeUnused(engine, Id);
}

async function ensure(
  engine: Engine,
  names: Names,
  network: string,
  options: Readonly<Record<string, string>>,
): Promise<string> {
  const [there] = await find(engine, names, network);
  if (there) return there.Id;
  const body = {
    Name: names.of(network),
    Driver: "bridge",
    Labels: { ...names.part("network"), [LABEL.network]: network },
    Options: options,
  };
  const { Id } = await engine.ask<{ Id: string }>("POST", "/networks/create", { body });
  const [oldest] = await find(engine, names, network);
  // Another server made one at the same moment.
  if (oldest && oldest.Id !== Id) await removeUnused(engine, Id);
  return oldest?.Id ?? Id;
}

/** The oldest first. */
async function find(engine: Engine, names: Names, network: string): Promise<Network[]> {
  const filters = names.filter(`${LABEL.network}=${network}`);
  const networks = await engine.ask<Network[]>("GET", "/networks", { query: { filters } });
  const age = ({ Created, Id }: Network) => `${Created} ${Id}`;
  return networks.toSorted((a, b) => (age(a) < age(b) ? -1 : 1));
}

const removeUnused = (engine: Engine, id: string) =>
  unlessStatus(404, unlessStatus(403, engine.ask("DELETE", `/networks/${id}`)));
