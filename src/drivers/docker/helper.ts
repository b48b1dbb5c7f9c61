/** Short-lived containers of ours that are no pods: they fill the volume of the tools, and ask nvidia-smi. */
import { randomUUID } from "node:crypto";
import { DriverError } from "../driver.ts";
import type { Engine } from "./engine.ts";
import { unlessStatus } from "./engine.ts";
import type { Ended } from "./exec.ts";
import { allSaid } from "./frames.ts";
import { LABEL, type Names } from "./names.ts";

export interface Helper {
  readonly image: string;
  /** An archive of what it finds beside what is in the image. */
  readonly files?: Buffer;
  readonly command: readonly string[];
  readonly mounts?: readonly object[];
  readonly devices?: readonly object[];
}

const LONGEST_MS = 60_000;
/** One that is older is nobody's: its server was killed. */
const OLD_S = 120;

/** Runs a container to its end, without a network, and takes it away; before that, when it ended well, something is done with it. */
export async function runHelper(
  engine: Engine,
  names: Names,
  helper: Helper,
  after?: (container: string) => Promise<void>,
): Promise<Ended> {
  const name = names.of(`helper-${randomUUID()}`);
  const late = AbortSignal.timeout(LONGEST_MS);
  try {
    await engine.ask("POST", "/containers/create", { query: { name }, body: bodyOf(names, helper) });
    if (helper.files)
      await engine.ask("PUT", `/containers/${name}/archive`, { query: { path: "/" }, body: helper.files });
    await engine.ask("POST", `/containers/${name}/start`);
    const { StatusCode } = await engine.ask<{ StatusCode: number }>("POST", `/containers/${name}/wait`, {
      signal: late,
      patienceMs: 0,
    });
    // Not while it runs: of one that ends at that moment an engine may give nothing, as if it had said nothing.
    const query = { stdout: true, stderr: true };
    const said = await allSaid(await engine.open("GET", `/containers/${name}/logs`, { query, signal: late }));
    if (StatusCode === 0) await after?.(name);
    return { code: StatusCode, ...said };
  } catch (cause) {
    throw late.aborted
      ? new DriverError(`what ran there for the server did not end within ${LONGEST_MS / 1000} s`, { cause })
      : cause;
  } finally {
    await unlessStatus(404, engine.ask("DELETE", `/containers/${name}`, { query: { force: true, v: true } }));
  }
}

const bodyOf = (names: Names, { image, command, mounts = [], devices = [] }: Helper) => ({
  Image: image,
  // Not as its command: an image that the operator chose may have an entrypoint of its own.
  Entrypoint: command,
  User: "0:0",
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
