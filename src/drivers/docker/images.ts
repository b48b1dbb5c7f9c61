/** The image of a pod, on its host. */
import { DriverError } from "../driver.ts";
import type { Engine } from "./engine.ts";
import type { ImageConfig } from "./pod.ts";

/** What pods are made of when nothing else is said. */
export const DEFAULT_IMAGE = "ubuntu:24.04";

interface Image {
  readonly Id: string;
  readonly Config: ImageConfig | null;
}

/** The image of that name, pulled where the host does not have it. */
export async function imageNamed(engine: Engine, ref: string): Promise<{ id: string; config: ImageConfig }> {
  const image = (await find(engine, ref)) ?? (await pull(engine, ref));
  return { id: image.Id, config: image.Config ?? {} };
}

const find = (engine: Engine, ref: string) => engine.find<Image>(`/images/${ref}/json`);

async function pull(engine: Engine, ref: string): Promise<Image> {
  const progress = await engine.open("POST", "/images/create", { query: { fromImage: ref }, patienceMs: 0 });
  let said = "";
  for await (const part of progress) said = (said + String(part)).slice(-4096);
  const image = await find(engine, ref);
  if (image) return image;
  const fault = /"error":"((?:[^"\\]|\\.)*)"/.exec(said)?.[1];
  throw new DriverError(`the image ${ref} cannot be pulled: ${fault ?? "the Docker Engine gave no reason"}`);
}
