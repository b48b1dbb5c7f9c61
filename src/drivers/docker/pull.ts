/** Pulling an image, with how far it is. */
import { fullName, type ImageReference } from "../../api/image-reference.ts";
import type { RegistryLogin } from "../driver.ts";
import { type Engine, EngineError } from "./engine.ts";
import { imageFault } from "./image-faults.ts";
import { type Message, messagesOf } from "./messages.ts";
import type { Preparing } from "./preparing.ts";
import { authHeader } from "./registry-auth.ts";

/** Resolves when the engine has it as the registry has it now. Throws LaunchRefused, DriverError. */
export async function pullImage(
  engine: Engine,
  image: ImageReference,
  login: RegistryLogin | undefined,
  { say, signal }: Preparing,
): Promise<void> {
  const { host, path, tag, digest } = image;
  const name = fullName(image);
  say(`pulling the image ${name}`);
  const layers = new Map<string, Message>();
  try {
    const answer = await engine.open("POST", "/images/create", {
      query: { fromImage: `${host}/${path}`, tag: digest ?? tag },
      headers: authHeader(host, login),
      patienceMs: 0,
      signal,
    });
    for await (const message of messagesOf(answer)) {
      if (message.error !== undefined) throw imageFault(name, host, message.error);
      if (message.id === undefined) continue;
      layers.set(message.id, message);
      say(`pulling the image ${name}${progressOf([...layers.values()])}`);
    }
  } catch (error) {
    // Before it says anything, an engine refuses with a status.
    throw error instanceof EngineError ? imageFault(name, host, error.message) : error;
  }
}

/** ": 41% of 1.2 GB", of what is known so far; nothing before any size is known. */
export function progressOf(layers: readonly Message[]): string {
  let [done, total] = [0, 0];
  for (const { status, progressDetail: { current = 0, total: size = 0 } = {} } of layers) {
    total += size;
    done += status === "Downloading" ? current : size;
  }
  if (total === 0) return "";
  if (layers.some(({ status }) => status === "Downloading"))
    return `: ${Math.floor((100 * done) / total)}% of ${(total / 1e9).toFixed(1)} GB`;
  return layers.some(({ status }) => status === "Extracting") ? ": unpacking it" : "";
}
