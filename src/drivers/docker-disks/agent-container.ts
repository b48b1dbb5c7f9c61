/** Starting an agent on a host: a container that ends with the connection to it, and is taken away by the engine. */
import { randomUUID } from "node:crypto";
import { type Engine, unlessStatus } from "../docker/engine.ts";
import { ProcessStream } from "../docker/frames.ts";
import { LABEL, type Names } from "../docker/names.ts";
import { type OwnImage, placeImage } from "../docker/own-image.ts";
import { COMMAND, DISKS } from "./agent-image.ts";
import { AgentLink } from "./link.ts";

const PART = "disk-agent";
/** One that was not started by then never will be: its server was killed. */
const OLD_S = 600;
/** To copy files whoever's they are, and to keep that. */
const CAPABILITIES = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID"];
/** It copies two trees at a time. */
const MOST_PROCESSES = 200;

/** An agent of `own` for the volume, which is made if it is missing. Throws DriverError. */
export async function startAgent(
  engine: Engine,
  names: Names,
  volume: string,
  own: OwnImage,
): Promise<AgentLink> {
  await removeOldAgents(engine, names);
  const image = await placeImage(engine, names, PART, own);
  await engine.ask("POST", "/volumes/create", { body: { Name: volume, Labels: names.part("disks") } });
  const name = names.of(`${PART}-${randomUUID()}`);
  await engine.ask("POST", "/containers/create", { query: { name }, body: bodyOf(names, image, volume) });
  try {
    const link = await linkTo(engine, name);
    await engine.ask("POST", `/containers/${name}/start`);
    return link;
  } catch (error) {
    await unlessStatus(404, engine.ask("DELETE", `/containers/${name}`, { query: { force: true } }));
    throw error;
  }
}

/** Before it is started, so that nothing it says is lost. */
async function linkTo(engine: Engine, name: string): Promise<AgentLink> {
  const raw = await engine.upgrade(`/containers/${name}/attach?stream=1&stdin=1&stdout=1&stderr=1`);
  let said = "";
  const stream = new ProcessStream(raw, (bytes) => {
    said = (said + bytes.toString()).slice(-2000);
  });
  return new AgentLink({ input: stream, output: stream, said: () => said.trim() });
}

/** Its standard input is that of the one connection to it, and ends with that; what it says is nobody else's. */
const bodyOf = (names: Names, image: string, volume: string) => ({
  Image: image,
  Entrypoint: COMMAND,
  User: "0:0",
  WorkingDir: "/",
  Labels: names.part(PART),
  OpenStdin: true,
  StdinOnce: true,
  AttachStdin: true,
  AttachStdout: true,
  AttachStderr: true,
  NetworkDisabled: true,
  HostConfig: {
    AutoRemove: true,
    NetworkMode: "none",
    ReadonlyRootfs: true,
    Mounts: [{ Type: "volume", Source: volume, Target: DISKS, VolumeOptions: { NoCopy: true } }],
    CapDrop: ["ALL"],
    CapAdd: CAPABILITIES,
    SecurityOpt: ["no-new-privileges"],
    PidsLimit: MOST_PROCESSES,
    IpcMode: "private",
    LogConfig: { Type: "none" },
  },
});

interface Listed {
  readonly Id: string;
  readonly Created: number;
  readonly State: string;
}

/** Those that were made and never started; the engine takes away the others when they end. */
async function removeOldAgents(engine: Engine, names: Names): Promise<void> {
  const query = { all: true, filters: names.filter(`${LABEL.part}=${PART}`) };
  const there = await engine.ask<Listed[]>("GET", "/containers/json", { query });
  // Engines do not know each other's words for what has ended.
  for (const { Id, Created, State } of there)
    if (State !== "running" && Created < Date.now() / 1000 - OLD_S)
      await unlessStatus(404, engine.ask("DELETE", `/containers/${Id}`, { query: { force: true } }));
}
