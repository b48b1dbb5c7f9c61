/** What goes when nobody needs it any more: contexts once they are built, and images that nobody has run for long. */
import type { BuiltImages } from "../../drivers/driver.ts";
import {
  buildKeys,
  deleteBuild,
  findBuild,
  listUnusedBuilds,
  namedBuilds,
  updateBuild,
} from "../../store/builds.ts";
import type { Db } from "../../store/tables.ts";
import type { Conditions } from "../conditions.ts";
import type { Core, ImageSettings } from "../core.ts";
import { bounded } from "../pods/pod.ts";
import { buildKey } from "./build-key.ts";
import { hasImages } from "./rules.ts";

/** Between two parts of a context, and from its last to the reservation that names it. */
const CONTEXT_MS = 10 * 60_000;
/** An engine may take a while to let go of many layers. */
const REMOVE_MS = 120_000;

/** Does it all once; it never rejects. */
export function createImageSweep(core: Core, conditions: Conditions): () => Promise<void> {
  const { images } = core.settings;
  const { builtImages, pulledImages } = core.driver;
  if (!hasImages(core) || !images || !builtImages) return async () => undefined;
  return async () => {
    await conditions.watch("contexts", "contexts could not be taken away", () =>
      forgetContexts(core, images),
    );
    await conditions.watch("built images", "built images could not be taken away", async () => {
      await forgetImages(core, images, builtImages);
      await bounded("images", builtImages.removeLeftovers(), REMOVE_MS);
    });
    await conditions.watch("pulled images", "pulled images could not be taken away", async () => {
      if (pulledImages) await bounded("images", pulledImages.removeUnused(), REMOVE_MS);
    });
  };
}

/** The row first: whoever needs it afterwards sends it again. */
async function forgetContexts(core: Core, { contexts }: ImageSettings): Promise<void> {
  const spent = await core.store.write(async (tx) => {
    const needed = await namedBuilds(tx.db, ["queued", "preparing"]);
    const before = new Date(tx.now.getTime() - CONTEXT_MS).toISOString();
    const found = await listUnusedBuilds(tx.db, before);
    const going = found.filter((row) => row.stored === 1 && !needed.has(row.id));
    for (const row of going) await updateBuild(tx, row, { stored: 0 });
    return going.map((row) => row.id);
  });
  for (const id of spent) await contexts.remove(id);
  for (const id of await contexts.list()) if (!(await isStored(core, id))) await contexts.remove(id);
}

const isStored = (core: Core, id: string): Promise<boolean> =>
  core.store.read(async (db) => (await findBuild(db, id))?.stored === 1);

/** Also those that no row names: the database was lost, or this was interrupted. */
async function forgetImages(core: Core, { keepS }: ImageSettings, images: BuiltImages): Promise<void> {
  const there = await bounded("images", images.list());
  const known = await core.store.write(async (tx) => {
    const needed = await namedBuilds(tx.db, ["queued", "preparing", "active", "ending"]);
    const before = new Date(tx.now.getTime() - keepS * 1000).toISOString();
    for (const row of await listUnusedBuilds(tx.db, before))
      if (!needed.has(row.id)) await deleteBuild(tx, row.id);
    return keysOf(tx.db);
  });
  for (const key of there) if (!known.has(key)) await bounded("image", images.remove(key), REMOVE_MS);
}

const keysOf = async (db: Db): Promise<Set<string>> => new Set((await buildKeys(db)).map(buildKey));
