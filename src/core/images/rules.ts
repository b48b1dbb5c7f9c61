/** Whether reservations may choose what they run. */
import { Problem } from "../../api/errors.ts";
import type { Core, ImageSettings } from "../core.ts";

export const hasImages = ({ driver, settings }: Core): boolean =>
  driver.builtImages !== undefined && settings.images !== undefined;

/** What users have to know of them; null where there are none. */
export const imagesOf = (core: Core): { context_max_bytes: number } | null =>
  hasImages(core) && core.settings.images
    ? { context_max_bytes: core.settings.images.contextMaxBytes }
    : null;

/** Throws Problem impossible_request where pods are given no image. */
export function requireImages(core: Core): ImageSettings {
  const { images } = core.settings;
  if (images && hasImages(core)) return images;
  throw new Problem(
    "impossible_request",
    `pods of the ${core.driver.name} driver run what the server's machine has: no image can be chosen here`,
    { hint: "leave the image out; a server with `--driver docker` runs any" },
  );
}

/** What a Dockerfile begins with cannot be told before it is built. Throws Problem not_allowed. */
export function refuseBuilds(core: Core): void {
  const { allow } = requireImages(core);
  if (allow)
    throw new Problem("not_allowed", "this server allows some images only, and builds none", {
      hint: `it allows: ${allow.join(", ")}`,
    });
}
