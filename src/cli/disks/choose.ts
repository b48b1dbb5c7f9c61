/** Which disk a reservation has (C-07). */
import type { Context } from "../context.ts";

/** Null for none, undefined for nothing said. Without `--disk` a person who has disks is asked. Throws Declined. */
export async function chooseDisk(
  ctx: Context,
  given: string | undefined,
): Promise<string | null | undefined> {
  if (given !== undefined) return given === "none" ? null : given;
  const free = ctx.interactive ? await freeDisks(ctx) : [];
  if (free.length === 0) return undefined;
  const chosen = await ctx.prompts.select("Which disk?", [
    { name: "None: files are temporary, and gone with the reservation", value: "" },
    ...free.map((name) => ({ name, value: name })),
  ]);
  return chosen === "" ? null : chosen;
}

async function freeDisks(ctx: Context): Promise<string[]> {
  const { items } = await ctx.api().listDisks({ query: { limit: "500" } });
  return items.filter(({ state }) => state === "ready").map(({ name }) => name);
}
