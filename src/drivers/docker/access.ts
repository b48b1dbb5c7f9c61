/** Whether somebody may have an image that is named by its digest: an engine that has it gives it to anybody, and asks no registry. */
import { fullName, type ImageReference } from "../../api/image-reference.ts";
import type { RegistryLogin } from "../driver.ts";
import { type Engine, EngineError } from "./engine.ts";
import { imageFault } from "./image-faults.ts";
import { authHeader } from "./registry-auth.ts";

/** Podman has no such question, which is no answer of an engine (engine.ts), and asks the registry itself. */
const NO_ROUTE = /^(?:what answers there is no Docker Engine: )?(?:404 page )?not found$/i;

/** The registry is asked with this login. Throws LaunchRefused, DriverError. */
export async function requireAccess(
  engine: Engine,
  image: ImageReference,
  login: RegistryLogin | undefined,
  signal: AbortSignal,
): Promise<void> {
  const name = fullName(image);
  try {
    const path = `/distribution/${fullName({ ...image, tag: undefined })}/json`;
    // A registry that is slow is no engine that is silent.
    await engine.ask("GET", path, { headers: authHeader(image.host, login), patienceMs: 0, signal });
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    if (!NO_ROUTE.test(error.message.trim())) throw imageFault(name, image.host, error.message, login);
  }
}
