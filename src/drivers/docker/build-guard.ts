/** What engines do for a build outside of its bounds is recognised by what they say of it, before a step can use what it brought. */
import { parseImageReference } from "../../api/image-reference.ts";
import { LaunchRefused, type RegistryLogin } from "../driver.ts";
import { requireAccess } from "./access.ts";
import type { Engine } from "./engine.ts";
import type { Message } from "./messages.ts";

/** The engine names a step in a message of its own, which is never part of what a step prints. */
const ADD = /^step \d+\/\d+ : *add\s/i;
const TRIGGERS = /^# Executing \d+ build trigger/;
const PULLED = /^Status: (?:Image is up to date|Downloaded newer image) for (\S+@\S+)/;

/**
 * Podman names no container of a step, so that nobody sees what it writes. NVIDIA's runtime gives a container the GPUs that its
 * environment asks for, which is the Dockerfile's: where it is that of every container, a step could have those of others. Throws LaunchRefused.
 */
export async function requireBounds(engine: Engine): Promise<void> {
  const [{ Components }, { DefaultRuntime = "" }] = await Promise.all([
    engine.ask<{ Components?: readonly { Name: string }[] }>("GET", "/version"),
    engine.ask<{ DefaultRuntime?: string }>("GET", "/info"),
  ]);
  if (Components?.some(({ Name }) => /podman/i.test(Name)))
    throw new LaunchRefused(
      "the image cannot be built: the host has podman, whose builds have no bounds; build it elsewhere, push it, and reserve with --image",
    );
  if (/nvidia/i.test(DefaultRuntime))
    throw new LaunchRefused(
      "the image cannot be built: the host would give its GPUs to every build, since its Docker has `default-runtime: nvidia`, which is not needed here; " +
        "ask the operator to take that out, or build it elsewhere, push it, and reserve with --image",
    );
}

/** For ADD the engine fetches from its own machine's network, and unpacks without an end. Throws LaunchRefused. */
export function refuseUnbounded({ stream = "" }: Message): void {
  if (ADD.test(stream))
    throw new LaunchRefused(
      "the image cannot be built: ADD fetches and unpacks outside of a build's bounds; use COPY, and RUN for the rest",
    );
  if (TRIGGERS.test(stream))
    throw new LaunchRefused(
      "the image cannot be built: what it begins with has steps of its own (ONBUILD), which are not run here",
    );
}

/** The same for what the engine itself has just pulled by a digest, as it says. Throws LaunchRefused, DriverError. */
export async function requireAccessTo(
  { status = "" }: Message,
  engine: Engine,
  logins: Readonly<Record<string, RegistryLogin>>,
  signal: AbortSignal,
): Promise<void> {
  const image = parseImageReference(PULLED.exec(status)?.[1] ?? "");
  if (image) await requireAccess(engine, image, logins[image.host], signal);
}
