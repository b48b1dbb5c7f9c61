/** Which disk or snapshot a word means: the full id, else the exact name, else an unambiguous beginning of the id (C-12). */
import type { Client } from "../../api/client.ts";
import type { Disk, Snapshot } from "../../api/disks.ts";
import { EXIT, Problem } from "../../api/errors.ts";
import { isId } from "../../api/names.ts";
import { nearest } from "../../api/nearest.ts";
import { CliError } from "../errors.ts";

/** As many as a page has. */
const ALL = { limit: "500" } as const;

type Which = "live" | "deleted";

/** Finds it, those that are `first` (live or deleted ones) before the others. Throws Problem not_found, and CliError `ambiguous` with the candidates. */
export async function findDisk(api: Client, word: string, first: Which = "live"): Promise<Disk> {
  return (
    (isId(word) ? await byId(api, word, first) : undefined) ??
    (await byName(api, word, first)) ??
    (await byId(api, word, first)) ??
    (await byName(api, word, first === "live" ? "deleted" : "live")) ??
    (await notFound(api, word))
  );
}

async function byId(api: Client, word: string, first: Which): Promise<Disk | undefined> {
  if (!/^[a-z2-7]{4,20}$/.test(word)) return undefined;
  const { items } = await api.listDisks({ query: { id_prefix: word, state: "all", limit: "10" } });
  const meant = items.filter((disk) => (disk.deleted_at === null) === (first === "live"));
  return only(word, meant.length > 0 ? meant : items);
}

/** Of deleted ones several may have had it. */
async function byName(api: Client, name: string, state: Which): Promise<Disk | undefined> {
  if (name.length > 63) return undefined;
  return only(name, (await api.listDisks({ query: { name, state, limit: "10" } })).items);
}

function only(word: string, candidates: readonly Disk[]): Disk | undefined {
  if (candidates.length < 2) return candidates[0];
  const lines = candidates.map(({ id, name, state }) => `  ${id}  ${name}  ${state}`);
  throw ambiguous(word, "disks", lines, candidates);
}

const ambiguous = (
  word: string,
  kind: string,
  lines: readonly string[],
  candidates: readonly { readonly id: string }[],
): CliError =>
  new CliError(
    "ambiguous",
    EXIT.usage,
    `${JSON.stringify(word)} means several ${kind}:\n${lines.join("\n")}`,
    {
      hint: "Give its id.",
      extra: { candidates: candidates.map(({ id }) => id) },
    },
  );

async function notFound(api: Client, word: string): Promise<never> {
  const { items } = await api.listDisks({ query: ALL });
  const meant = nearest(
    word,
    items.map(({ name }) => name),
  );
  throw new Problem("not_found", `You have no disk ${JSON.stringify(word)}`, {
    hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}\`gpu-dev disk list --deleted\` shows those that can be brought back.`,
  });
}

/** A snapshot of `disk` by its id, the beginning of that, or "latest". Throws Problem not_found and no_snapshot, and CliError `ambiguous`. */
export async function findSnapshot(api: Client, disk: Disk, word: string): Promise<Snapshot> {
  const { items } = await api.listSnapshots({ params: { id: disk.id }, query: ALL });
  const ready = items.filter(({ state }) => state === "ready");
  if (ready.length === 0)
    throw new Problem("no_snapshot", `Disk ${disk.name} has no snapshot yet`, {
      hint: `\`gpu-dev disk snapshot ${disk.name}\` takes one.`,
    });
  const meant = word === "latest" ? ready.slice(0, 1) : ready.filter(({ id }) => id.startsWith(word));
  if (meant[0] === undefined || (word.length < 4 && word !== "latest"))
    throw new Problem("not_found", `Disk ${disk.name} has no snapshot ${JSON.stringify(word)}`, {
      hint: `\`gpu-dev disk snapshots ${disk.name}\` lists them; give 4 or more characters of the id, or latest.`,
    });
  const lines = meant.map(({ id, taken_at }) => `  ${id}  ${taken_at}`);
  if (meant.length > 1) throw ambiguous(word, "snapshots", lines, meant);
  return meant[0];
}
