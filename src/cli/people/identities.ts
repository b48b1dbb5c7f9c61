/** Which linked login a word means, and asking before it is unlinked. */
import { Problem } from "../../api/errors.ts";
import type { LinkedIdentity } from "../../api/identities.ts";
import { agree } from "../consent.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";

interface Unlink {
  readonly withOthers: boolean;
  readonly yes: boolean;
}

/** Returns once the user agrees. A script is asked only where others lose something: then it needs --yes. */
export async function agreeToUnlink(ctx: Context, login: string, { withOthers, yes }: Unlink): Promise<void> {
  if (!ctx.interactive && !withOthers) return;
  const also = withOthers ? ", and what was made with these for anybody" : "";
  const question = `Unlink ${login}, and revoke the tokens that came of it${also}?`;
  await agree(ctx, yes, question);
}

/** The one with this id or subject, or the only one of this way or name. Throws Problem not_found and UsageError. */
export function findIdentity(items: readonly LinkedIdentity[], word: string): LinkedIdentity {
  const meant = items.filter(({ id, subject, name, with: kind }) => [id, subject, name, kind].includes(word));
  const [identity, ...others] = meant;
  if (!identity)
    throw new Problem("not_found", `There is no linked login ${JSON.stringify(word)}`, {
      hint: "`gpu-dev identity list` shows yours, `gpu-dev admin identities list USER` those of others.",
    });
  if (others.length === 0) return identity;
  throw new UsageError(
    `${JSON.stringify(word)} means several logins: ${meant.map(({ id }) => id).join(", ")}`,
    "Give the id.",
  );
}
