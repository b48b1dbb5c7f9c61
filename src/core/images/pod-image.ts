/** What the pod of a reservation is made of, with the logins that having it needs. */
import { DEFAULT_REGISTRY, parseImageReference } from "../../api/image-reference.ts";
import { LaunchRefused, type PodImage, type PodSpec } from "../../drivers/driver.ts";
import { findBuild } from "../../store/builds.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { ImageSettings } from "../core.ts";
import { builderKey, buildKey } from "./build-key.ts";
import { openLogins } from "./registry-logins.ts";

type Made = Pick<PodSpec, "image" | "keepEntrypoint" | "registryLogins">;

/** Throws LaunchRefused when it cannot be had any more. */
export async function podImage(
  db: Db,
  images: ImageSettings | undefined,
  row: ReservationRow,
): Promise<Made> {
  const { image: ref, build_id, entrypoint, owner_id } = row;
  if (!images) return {};
  const keep = entrypoint === "keep" ? ({ keepEntrypoint: true } as const) : {};
  if (build_id !== null)
    // A Dockerfile may begin with any image.
    return {
      ...keep,
      image: await buildOf(db, images, build_id),
      registryLogins: await openLogins(db, images, owner_id),
    };
  if (ref === null) return keep;
  const host = parseImageReference(ref)?.host ?? DEFAULT_REGISTRY;
  return { ...keep, image: { ref }, registryLogins: await openLogins(db, images, owner_id, host) };
}

async function buildOf(db: Db, { contexts }: ImageSettings, id: string): Promise<PodImage> {
  const row = await findBuild(db, id);
  if (!row) throw new LaunchRefused("what its image is built from is not here any more: reserve again");
  const { dockerfile } = row;
  return { build: { key: buildKey(row), owner: builderKey(row), context: contexts.path(id), dockerfile } };
}
