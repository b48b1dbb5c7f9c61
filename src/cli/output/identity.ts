/** Linked logins as the command line shows them. */
import type { LinkedIdentity, UnlinkedIdentity } from "../../api/identities.ts";
import type { Context } from "../context.ts";
import { madeWords } from "./made.ts";
import type { Output } from "./output.ts";
import { ago } from "./time.ts";

export const identityTable = (
  items: readonly LinkedIdentity[],
  now: Date,
): Pick<Output, "header" | "spare" | "rows"> => ({
  header: ["WITH", "NAME", "SUBJECT", "PROVIDER", "LINKED", "ID"],
  spare: ["PROVIDER", "LINKED"],
  rows: items.map(({ id, with: kind, name, subject, provider, created_at }) => [
    kind ?? { text: "no longer offered", value: "" },
    name ?? "",
    subject,
    provider,
    ago(created_at, now),
    id,
  ]),
});

/** Says that it was unlinked, with what came of it and went or stayed. */
export function sayUnlinked(
  ctx: Context,
  { name, subject, provider, also_revoked: gone, left }: UnlinkedIdentity,
): void {
  const also = madeWords(gone);
  const revoked = also === undefined ? "" : `; ${also} that came of it: good for nothing any more`;
  ctx.say(`${name ?? subject} at ${provider} leads here no more${revoked}`);
  const stay = madeWords(left);
  if (stay !== undefined)
    ctx.say(
      `Still good: ${stay}, made by who came in with it. Did somebody else have it? Then revoke the tokens that came of it --with-others: gpu-dev token list --all`,
    );
}
