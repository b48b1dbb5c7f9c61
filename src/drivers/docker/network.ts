/** Networks of pods: one of the deployment, in which they do not reach each other, and one for each gang, in which they do. */
import { type Engine, EngineError, unlessStatus } from "./engine.ts";
import { LABEL, type Names } from "./names.ts";

const ICC = "com.docker.network.bridge.enable_icc";

/** The network of pods that are alone, made where it is missing; its name. */
export async function podNetwork(engine: Engine, names: Names): Promise<string> {
  await ensure(engine, names.network, { Labels: names.part("network"), Options: { [ICC]: "false" } });
  return names.network;
}

/** The network of a gang, made where it is missing; its name. */
export async function gangNetwork(engine: Engine, names: Names, gang: string): Promise<string> {
  const name = names.of(gang);
  await ensure(engine, name, { Labels: { ...names.part("network"), [LABEL.gang]: gang } });
  return name;
}

/** Its last pod takes it away; at once when it is gone, or has somebody in it again. */
export async function leaveGang(engine: Engine, names: Names, gang: string): Promise<void> {
  const path = `/networks/${names.of(gang)}`;
  const network = await engine.find<{ Labels: Record<string, string> }>(path);
  if (network?.Labels[LABEL.deployment] !== names.deployment) return;
  await unlessStatus(404, unlessStatus(403, engine.ask("DELETE", path)));
}

async function ensure(engine: Engine, name: string, body: object): Promise<void> {
  if (await engine.find(`/networks/${name}`)) return;
  try {
    await engine.ask("POST", "/networks/create", {
      body: { Name: name, Driver: "bridge", CheckDuplicate: true, ...body },
    });
  } catch (error) {
    // Another server was faster.
    if (!(error instanceof EngineError && error.status === 409)) throw error;
  }
}
