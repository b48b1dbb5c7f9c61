/** An image of a registry on a host, for somebody who may have it there. */
import { setTimeout as pause } from "node:timers/promises";
import { exactDuration } from "../../api/duration.ts";
import type { ImageReference } from "../../api/image-reference.ts";
import { DriverError, LaunchRefused, type RegistryLogin } from "../driver.ts";
import { requireAccess } from "./access.ts";
import { EngineError, EngineUnreachable } from "./engine.ts";
import type { Preparing } from "./preparing.ts";
import { type ImageHost, type PullBounds, pullImage } from "./pull.ts";
import { requireOutside } from "./registry-guard.ts";

export interface PullRules extends PullBounds {
  /** How long a registry that cannot be reached is asked again: GPUs wait with it. */
  readonly patienceS: number;
  /** Hosts of registries that users are not to be kept from, wherever they are. */
  readonly known: ReadonlySet<string>;
}

const AGAIN_MS = 5000;

/** Resolves when the engine has it as the registry has it now. Throws LaunchRefused for what will not be otherwise, DriverError when the engine cannot be asked. */
export async function haveImage(
  host: ImageHost,
  image: ImageReference,
  login: RegistryLogin | undefined,
  rules: PullRules,
  preparing: Preparing,
): Promise<void> {
  const until = performance.now() + rules.patienceS * 1000;
  for (;;)
    try {
      await requireOutside(image.host, rules.known);
      if (image.digest !== undefined) await requireAccess(host.engine, image, login, preparing.signal);
      return await pullImage(host, image, login, rules, preparing);
    } catch (error) {
      if (!isOfRegistry(error)) throw error;
      const { message } = error;
      if (performance.now() >= until)
        throw new LaunchRefused(`${message}; it was tried for ${exactDuration(rules.patienceS)}`, {
          cause: error,
        });
      preparing.say(`${message}; it is tried again`);
      await pause(AGAIN_MS, undefined, { signal: preparing.signal });
    }
}

const isOfRegistry = (error: unknown): error is DriverError =>
  error instanceof DriverError && !(error instanceof EngineError || error instanceof EngineUnreachable);
