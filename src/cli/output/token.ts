/** Tokens as the command line shows them: their secrets once, alone on stdout. */
import type { IssuedToken, Token } from "../../api/accounts.ts";
import type { Context } from "../context.ts";
import { toned } from "./cell.ts";
import type { Cell, Output } from "./output.ts";
import { ago, until } from "./time.ts";

/** A list of tokens, without secrets. */
export const tokenTable = (
  items: readonly Token[],
  now: Date,
): Pick<Output, "header" | "spare" | "rows"> => ({
  header: ["TOKEN", "LABEL", "SCOPE", "STATE", "EXPIRES", "LAST USED", "CREATED", "ID"],
  spare: ["CREATED", "ID", "STATE"],
  rows: items.map((token) => row(token, now)),
});

function row(token: Token, now: Date): Cell[] {
  const { id, prefix, label, scope, state, current, expires_at, last_used_at, created_at } = token;
  const replaced = token.rotated_at !== null && state === "live";
  const note = current ? " (this one)" : replaced ? " (replaced)" : "";
  return [
    `${prefix === "" ? "gd_" : prefix}…`,
    note === "" ? label : { text: `${label}${note}`, value: label },
    scope,
    toned(state, state === "live" ? "good" : "bad"),
    expires_at === null
      ? { text: "never", value: "" }
      : state === "live"
        ? until(expires_at, now)
        : expires_at,
    last_used_at === null ? { text: "never", value: "" } : ago(last_used_at, now),
    ago(created_at, now),
    id,
  ];
}

/** The secret alone, so that it can be piped; what is to be said of it goes to stderr. */
export function secretOutput(ctx: Context, issued: IssuedToken, json: unknown = issued): Output {
  const { label, scope, expires_at } = issued;
  ctx.say(
    `Token ${label}, of the scope ${scope}, until ${expires_at}. This is the only time that it is shown.`,
  );
  return { json, rows: [[issued.token]] };
}
