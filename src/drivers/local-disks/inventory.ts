import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { isId } from "../../api/names.ts";
import type { DiskInventory } from "../disks.ts";
import { idOf, isHalfMade, KINDS, type Kind } from "./layout.ts";
import { quarantined } from "./quarantine.ts";

/** All that is below the data directory, without the halves of those ids that are `inHand`; names that nobody of us gave are passed over. */
export async function inventoryOf(dataDir: string, inHand: ReadonlySet<string>): Promise<DiskInventory> {
  const namesOf = (kind: Kind) => readdir(join(dataDir, kind));
  const [disks, snapshots] = [await namesOf("disks"), await namesOf("snapshots")];
  const halfMade = KINDS.flatMap((kind) =>
    (kind === "disks" ? disks : snapshots)
      .filter((name) => isHalfMade(name) && !inHand.has(idOf(name)))
      .map((name) => `${kind}/${name}`),
  );
  return {
    disks: disks.filter(isId),
    snapshots: snapshots.filter(isId),
    halfMade,
    quarantined: (await quarantined(dataDir)).map(({ id, since }) => ({
      name: id,
      since: since.toISOString(),
    })),
  };
}
