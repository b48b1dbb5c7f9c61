/** Which reservation a word means: the full id, else the exact name, else an unambiguous beginning of the id (C-12). */
import type { Client } from "../api/client.ts";
import { asProblem, RefusedRequest } from "../api/client.ts";
import { EXIT, Problem } from "../api/errors.ts";
import { isId } from "../api/names.ts";
import { nearest } from "../api/nearest.ts";
import type { Reservation } from "../api/reservations.ts";
import type { Context } from "./context.ts";
import { CliError, UsageError } from "./errors.ts";

/**
 * The word that was given; without one, or where it is empty, inside of a pod the pod's own reservation, and on a terminal the only one that `may` be meant or
 * the one that is picked. Throws UsageError where nobody can be asked, Declined on Ctrl-C.
 */
export async function wordOrAsked(
  ctx: Context,
  word: string | undefined,
  may: (r: Reservation) => boolean = () => true,
): Promise<string> {
  // The id alone is no sign of a pod: commands of `reserve --exec` have it, too.
  const meant = word || (ctx.env.GPU_DEV_POD ? ctx.env.GPU_DEV_RESERVATION_ID : undefined);
  if (meant) return meant;
  if (ctx.interactive) return await (await import("./ask/reservation.ts")).askReservation(ctx, may);
  throw new UsageError(
    "missing required argument 'reservation': its id or name",
    "`gpu-dev list` shows yours. Only on a terminal and inside of a reservation's pod it may be left out.",
  );
}

/** Who it is shared with changes nothing of it. */
export const isOwn = (r: Reservation): boolean => r.access !== "collaborator";

/** Finds it, live ones first. Throws Problem not_found, and CliError `ambiguous` with the candidates. */
export async function findReservation(api: Client, word: string): Promise<Reservation> {
  return (
    (isId(word) ? await byId(api, word) : undefined) ??
    (await byName(api, word, "live")) ??
    (await byPrefix(api, word)) ??
    (await byName(api, word, "all")) ??
    (await notFound(api, word))
  );
}

async function byId(api: Client, id: string): Promise<Reservation | undefined> {
  try {
    return await api.getReservation({ params: { id } });
  } catch (error) {
    // Only a 404 for that very id means that there is none (C-04).
    if (error instanceof RefusedRequest && asProblem(error)?.code === "not_found") return undefined;
    throw error;
  }
}

/** Of live ones your own is meant, whose name is unique, else the one that is shared with you; of ended ones the newest. */
async function byName(api: Client, name: string, state: "live" | "all"): Promise<Reservation | undefined> {
  if (name.length > 63) return undefined;
  const { items } = await api.listReservations({ query: { name, state, limit: "10" } });
  const own = items.filter(isOwn);
  const meant = own.length > 0 ? own : items;
  if (state === "live" && meant.length > 1)
    throw ambiguous(name, meant, "the name of several", "Give its id.");
  return meant[0];
}

async function byPrefix(api: Client, word: string): Promise<Reservation | undefined> {
  if (!/^[a-z2-7]{4,19}$/.test(word)) return undefined;
  const { items } = await api.listReservations({ query: { id_prefix: word, state: "all", limit: "10" } });
  const live = items.filter((r) => r.ended_at === null);
  const meant = live.length > 0 ? live : items;
  if (meant.length > 1)
    throw ambiguous(
      word,
      meant,
      "the beginning of several ids",
      "Give more characters of the id, or the name.",
    );
  return meant[0];
}

function ambiguous(word: string, candidates: readonly Reservation[], is: string, hint: string): CliError {
  const lines = candidates.map((r) => `  ${r.id}  ${r.name ?? ""}  ${r.state}  ${r.owner}`.trimEnd());
  return new CliError("ambiguous", EXIT.usage, `${JSON.stringify(word)} is ${is}:\n${lines.join("\n")}`, {
    hint,
    extra: { candidates: candidates.map((r) => r.id) },
  });
}

async function notFound(api: Client, word: string): Promise<never> {
  const { items } = await api.listReservations({ query: { state: "live", limit: "500" } });
  const names = items.flatMap((r) => r.name ?? []);
  const meant = nearest(word, names);
  throw new Problem("not_found", `You have no reservation ${JSON.stringify(word)}`, {
    hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}\`gpu-dev list --all\` shows all of yours.`,
  });
}
