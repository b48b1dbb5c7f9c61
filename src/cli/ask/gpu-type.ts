/** Which GPU type: a table of what the server has now, which can be looked up again. */
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { availabilityTable } from "../output/availability.ts";
import { tableChoices } from "./table-choices.ts";

/** No GPU type is called so. */
const AGAIN = "";

/** The name of a type; undefined when the server has none. Throws Declined. */
export async function askGpuType(ctx: Context): Promise<string | undefined> {
  for (let chosen: string | undefined; ; ) {
    const { items } = await allPages((query) => ctx.api().listAvailability({ query }));
    const offered = items.filter(({ total }) => total > 0);
    if (offered.length === 0) return undefined;
    const { header = [], spare = [], rows } = availabilityTable(offered, ctx.clock.now());
    const { head, choices } = tableChoices(
      ctx,
      { header, spare: ["USED", "UNAVAILABLE", ...spare], rows },
      offered.map(({ gpu_type: value }) => ({ value, short: value })),
    );
    const again = { name: "Look again", value: AGAIN };
    chosen = await ctx.prompts.select("Which GPU type?", [...choices, again], { head, start: chosen });
    if (chosen !== AGAIN) return chosen;
  }
}
