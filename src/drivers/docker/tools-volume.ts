/** The tools (tools.ts) on a host: an image of them, made once, and a volume that pods have read-only. */
import { randomUUID } from "node:crypto";
import { DriverError } from "../driver.ts";
import { type Engine, unlessUsed } from "./engine.ts";
import { runHelper } from "./helper.ts";
import { LABEL, type Names } from "./names.ts";
import { placeImage } from "./own-image.ts";
import { BASH, TOOLS, TOOLS_MOUNT, type Tools } from "./tools.ts";

export interface ToolsPlace {
  readonly image: string;
  readonly volume: string;
}

/** The directory appears with all that is in it, or not at all, whatever is killed in the middle; who comes second goes. */
const FILL = `set -e
PATH=${TOOLS}/bin
[ ! -e /volume/t ] || exit 0
cp -a ${TOOLS} "/volume/$1"
sync
mv -T "/volume/$1" /volume/t 2>/dev/null || { [ -e /volume/t ] && rm -rf "/volume/$1"; }
`;

/** Makes both where they are missing. */
export async function placeTools(engine: Engine, names: Names, tools: Tools): Promise<ToolsPlace> {
  const volume = names.of(`tools-${tools.hash}`);
  const image = await placeImage(engine, names, "tools", tools);
  await removeOtherVolumes(engine, names, volume);
  await engine.ask("POST", "/volumes/create", { body: { Name: volume, Labels: names.part("tools") } });
  const mounts = [{ Type: "volume", Source: volume, Target: "/volume", VolumeOptions: { NoCopy: true } }];
  const command = [BASH, "-c", FILL, "fill", `new-${randomUUID()}`];
  const { code, stderr } = await runHelper(engine, names, { image, command, mounts });
  if (code !== 0) throw new DriverError(`the tools of pods could not be put on the host: ${stderr.trim()}`);
  return { image, volume };
}

/** Whether both are still there: a prune takes what no container has, and so does a server of another version. */
export async function isPlaced(engine: Engine, { image, volume }: ToolsPlace): Promise<boolean> {
  const found = await Promise.all([engine.find(`/images/${image}/json`), engine.find(`/volumes/${volume}`)]);
  return !found.includes(undefined);
}

/** Read-only, and at the same place in every pod. */
export const toolsMount = ({ volume }: ToolsPlace) => ({
  Type: "volume",
  Source: volume,
  Target: TOOLS_MOUNT,
  ReadOnly: true,
  VolumeOptions: { NoCopy: true },
});

/** Those of servers of other versions, which no pod has any more. */
async function removeOtherVolumes(engine: Engine, names: Names, keep: string): Promise<void> {
  const filters = names.filter(`${LABEL.part}=tools`);
  const { Volumes } = await engine.ask<{ Volumes: { Name: string }[] | null }>("GET", "/volumes", {
    query: { filters },
  });
  for (const { Name } of Volumes ?? []) if (Name !== keep) await unlessUsed(engine, `/volumes/${Name}`);
}
