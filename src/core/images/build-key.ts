/** What a built image is known by. */
import { createHash } from "node:crypto";
import type { BuildRow } from "../../store/image-tables.ts";

/** By which the driver knows the image: another one for each owner, who may reach registries that others may not. */
export const buildKey = ({
  owner_id,
  digest,
  dockerfile,
}: Pick<BuildRow, "owner_id" | "digest" | "dockerfile">): string =>
  hashOf(`${owner_id}\n${digest}\n${dockerfile}`);

/** By which the driver keeps the steps of its builds apart from those of others. */
export const builderKey = ({ owner_id }: Pick<BuildRow, "owner_id">): string => hashOf(`builder ${owner_id}`);

const hashOf = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, 40);
