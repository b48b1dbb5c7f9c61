/** What a built image is known by. */
import { createHash } from "node:crypto";
import type { BuildRow } from "../../store/image-tables.ts";

/** By which the driver knows the image: another one for each owner, who may reach registries that others may not. */
export const buildKey = ({
  owner_id,
  digest,
  dockerfile,
}: Pick<BuildRow, "owner_id" | "digest" | "dockerfile">): string =>
  createHash("sha256").update(`${owner_id}\n${digest}\n${dockerfile}`).digest("hex").slice(0, 40);
