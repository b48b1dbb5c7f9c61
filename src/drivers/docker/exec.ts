/** Programs in a container that runs. */
import type { Duplex } from "node:stream";
import { DriverError } from "../driver.ts";
import type { Engine } from "./engine.ts";
import { allSaid, ProcessStream } from "./frames.ts";

export interface Exec {
  readonly command: readonly string[];
}

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Who is root in a pod can hold up what runs there: nobody waits for it any longer, above all who wants to end the pod. */
const LONGEST_MS = 20_000;

/** What a program in the container says, and how it ends. It runs as root of the container, in its limits. */
export async function runIn(
  engine: Engine,
  container: string,
  { input, ...exec }: Exec & { readonly input?: Buffer },
): Promise<Ended> {
  const id = await create(engine, container, exec, input !== undefined);
  const stream = await engine.upgrade(`/exec/${id}/start`, START);
  const late = AbortSignal.timeout(LONGEST_MS);
  late.addEventListener("abort", () => stream.destroy());
  if (input !== undefined) stream.write(input);
  const said = await allSaid(stream);
  if (late.aborted) throw new DriverError("a program in the pod does not end");
  const { ExitCode } = await engine.ask<{ ExitCode: number | null }>("GET", `/exec/${id}/json`);
  if (ExitCode === null) throw new DriverError("a program in the pod was cut off");
  return { code: ExitCode, ...said };
}

/** The program's input and output as one stream. */
export async function streamTo(engine: Engine, container: string, exec: Exec): Promise<Duplex> {
  const id = await create(engine, container, exec, true);
  return new ProcessStream(await engine.upgrade(`/exec/${id}/start`, START));
}

const START = { Detach: false, Tty: false };

async function create(engine: Engine, container: string, { command }: Exec, input: boolean): Promise<string> {
  const body = {
    Cmd: command,
    User: "0:0",
    WorkingDir: "/",
    AttachStdin: input,
    AttachStdout: true,
    AttachStderr: true,
  };
  return (await engine.ask<{ Id: string }>("POST", `/containers/${container}/exec`, { body })).Id;
}
