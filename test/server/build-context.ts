/** Contexts of builds, as clients announce and send them. */
import { createHash } from "node:crypto";
import { pack } from "tar-stream";

export type Entry = Parameters<ReturnType<typeof pack>["entry"]>[0] & { readonly text?: string };

export async function tarOf(entries: readonly Entry[]): Promise<Buffer<ArrayBuffer>> {
  const tar = pack();
  for (const { text = "", ...header } of entries) tar.entry(header, text);
  tar.finalize();
  const parts: Buffer[] = [];
  for await (const part of tar) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

export const announced = (bytes: Uint8Array, dockerfile = "Dockerfile") => ({
  digest: createHash("sha256").update(bytes).digest("hex"),
  bytes: bytes.length,
  dockerfile,
});
