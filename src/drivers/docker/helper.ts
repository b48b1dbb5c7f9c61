/** Short-lived containers of ours that are no pods: they fill the volume of the tools, and ask nvidia-smi. */
import { randomUUID } from "node:crypto";
import type { Engine } from "./engine.ts";
import { unlessStatus } from "./engine.ts";
import type { Ended } from "./exec.ts";
import { allSaid } from "./frames.ts";
import { LABEL, type Names } from "./names.ts";

export interface Helper {
  readonly image: string;
  readonly command: readonly string[];
  readonly mounts?: readonly object[];
  readonly devices?: readonly object[];
}

const LONGEST_MS = 60_000;
/** One that is older is nobody's: its server was killed. */
const OLD_S = 120;

/** Runs a container to its end, without a network, and takes it away. */
export async function runHelper(engine: Engine, names: Names, helper: Helper): Promise<Ended> {
  const name = names.of(`helper-${randomUUID()}`);
  try {
    await engine.ask("POST", "/containers/create", { query: { name }, body: bodyOf(names, helper) });
    await engine.ask("POST", `/containers/${name}/start`);
    const query = { stdout: true, stderr: true, follow: true };
    const said = await allSaid(
      await engine.open("GET", `/containers/${name}/logs`, {
        query,
        signal: AbortSignal.timeout(LONGEST_MS),
      }),
    );
    const { StatusCode } = await engine.ask<{ StatusCode: number }>("POST", `/containers/${name}/wait`);
    return { code: StatusCode, ...said };
  } finally {
    await unlessStatus(404, engine.ask("DELETE", `/containers/${name}`, { query: { force: true } }));
  }
}

const bodyOf = (names: Names, { image, command, mounts = [], devices = [] }: Helper) => ({
  Image: image,
  Cmd: command,
  Labels: names.part("helper"),
  NetworkDisabled: true,
  HostConfig: {
    NetworkMode: "none",
    Mounts: mounts,
    DeviceRequests: devices,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges"],
  },
});

/** Takes away the helpers of servers that were killed. */
export async function removeOldHelpers(engine: Engine, names: Names): Promise<void> {
  const filters = names.filter(`${LABEL.part}=helper`);
  const helpers = await engine.ask<{ Id: string; Created: number }[]>("GET", "/containers/json", {
    query: { all: true, filters },
  });
  for (const { Id, Created } of helpers)
    if (Created < Date.now() / 1000 - OLD_S)
      await unlessStatus(404, engine.ask("DELETE", `/containers/${Id}`, { query: { force: true } }));
}
