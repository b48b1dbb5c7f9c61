/** Settings under which pods are given images, with contexts in a directory of their own. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ImageSettings } from "../../src/core/core.ts";
import { createSealer, SEAL_KEY_BYTES } from "../../src/core/images/seal.ts";
import { createBuildContexts } from "../../src/drivers/build-contexts.ts";

export function openImages(given: Partial<ImageSettings> = {}): { images: ImageSettings; remove(): void } {
  const dir = mkdtempSync(join(tmpdir(), "gd-contexts-"));
  const images = {
    contexts: createBuildContexts(dir),
    contextMaxBytes: 8 * 2 ** 20,
    keepS: 14 * 86_400,
    sealer: createSealer(randomBytes(SEAL_KEY_BYTES)),
    ...given,
  };
  return { images, remove: () => rmSync(dir, { recursive: true, force: true }) };
}
