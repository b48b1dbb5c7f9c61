/** Linked logins as the command line shows them. */
import type { LinkedIdentity } from "../../api/identities.ts";
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

/** What was unlinked, in words. */
export function unlinkedWords({
  name,
  subject,
  provider,
  also_revoked: tokens,
}: LinkedIdentity & { also_revoked: number }): string {
  const revoked =
    tokens === 0
      ? ""
      : `; ${tokens === 1 ? "a token that" : `${tokens} tokens that`} came of it good for nothing`;
  return `${name ?? subject} at ${provider} leads here no more${revoked}`;
}
