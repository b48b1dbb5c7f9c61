/** Which reservation, when a command was typed without one. */
import { Problem } from "../../api/errors.ts";
import { id8 } from "../../api/names.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { gpus, label, outlook, stateCell } from "../output/reservation.ts";
import { tableChoices } from "./table-choices.ts";

/** The id of the only candidate that lives, else of the one that is picked. Throws Declined, and Problem not_found without any. */
export async function askReservation(ctx: Context, may: (r: Reservation) => boolean): Promise<string> {
  const { items } = await ctx.api().listReservations({ query: { state: "live", limit: "500" } });
  const candidates = items.filter((r) => r.state !== "ending" && may(r));
  const [only, other] = candidates;
  if (!only)
    throw new Problem("not_found", "You have no reservation for this", {
      hint: "`gpu-dev reserve` makes one; `gpu-dev list --all` shows all of yours.",
    });
  if (!other) {
    ctx.say(`${label(only)} (${only.id}) is the only one`);
    return only.id;
  }
  const now = ctx.clock.now();
  const { head, choices } = tableChoices(
    ctx,
    {
      header: ["NAME", "ID", "STATE", "GPUS", "TIME", "OWNER"],
      spare: ["OWNER"],
      rows: candidates.map((r) => [
        ...[r.name ?? "", id8(r.id), stateCell(r), gpus(r), outlook(r, now)],
        r.access === "collaborator" ? r.owner : "",
      ]),
    },
    candidates.map((r) => ({ value: r.id, short: label(r) })),
  );
  return await ctx.prompts.select("Which reservation?", choices, { head });
}
