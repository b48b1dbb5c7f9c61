/** `gpu-dev disk contents`: what is in a directory of a disk, as of a snapshot. */
import type { ContentsPage, DiskEntry } from "../../../api/disks.ts";
import { defineCommand } from "../../command.ts";
import { findDisk, findSnapshot } from "../../disks/find.ts";
import { diskArgument } from "../../disks/options.ts";
import { count, parsed, text } from "../../options.ts";
import type { Cell, Output } from "../../output/output.ts";
import { sizeCell } from "../../output/size.ts";
import { ago } from "../../output/time.ts";

const DEFAULT_LIMIT = 1000;
const PAGE = 500;

export const command = defineCommand({
  arguments: [diskArgument, { name: "path", summary: "A directory on it (default: the top)" }],
  options: {
    snapshot: text(
      "--snapshot <ID>",
      "As of this snapshot: its id, the beginning of that, or latest (default)",
    ),
    limit: parsed("--limit <N>", `At most so many entries (default: ${DEFAULT_LIMIT})`, count),
  },
  details:
    "It shows what a snapshot has, not what is there now. In names, bytes that are no UTF-8, control characters and backslashes are written \\xNN.",
  examples: [
    { line: "gpu-dev disk contents home", meaning: "The top directory, as of the last snapshot" },
    { line: "gpu-dev disk contents home src/train --snapshot k3f9", meaning: "A directory, as it was then" },
  ],
  async run([word = "", path = ""], { snapshot = "latest", limit = DEFAULT_LIMIT }, ctx): Promise<Output> {
    const disk = await findDisk(ctx.api(), word);
    const { id } = await findSnapshot(ctx.api(), disk, snapshot);
    const inside = path.replace(/^(\.?\/)+|\/+$/g, "").replace(/^\.$/, "");
    const ask = (cursor?: string, left = limit): Promise<ContentsPage> =>
      ctx.api().listContents({
        params: { id: disk.id },
        query: {
          snapshot: id,
          limit: String(Math.max(1, Math.min(left, PAGE))),
          ...(inside === "" ? {} : { path: inside }),
          ...(cursor === undefined ? {} : { cursor }),
        },
      });
    let page = await ask();
    const items: DiskEntry[] = [...page.items];
    while (page.next_cursor !== null && items.length < limit) {
      page = await ask(page.next_cursor, limit - items.length);
      items.push(...page.items);
    }
    const now = ctx.clock.now();
    if (page.next_cursor !== null)
      ctx.say(`There are more than these ${items.length}: give a larger --limit`);
    ctx.detail(`as of ${page.snapshot.taken_at}`);
    return {
      json: { ...page, items },
      header: ["NAME", "KIND", "SIZE", "MODIFIED"],
      rows: items.map((entry) => row(entry, now)),
      empty: "Nothing is in it.",
    };
  },
});

const row = (entry: DiskEntry, now: Date): Cell[] => [
  entry.kind === "directory" ? { text: `${entry.name}/`, value: entry.name } : entry.name,
  entry.kind,
  entry.kind === "directory" ? "" : sizeCell(entry.bytes),
  ago(entry.modified_at, now),
];
