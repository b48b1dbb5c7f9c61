/** `gpu-dev keys remove`: forgets a registered ssh key. */
import { Problem } from "../../../api/errors.ts";
import { defineCommand } from "../../command.ts";
import { agree } from "../../consent.ts";
import { UsageError } from "../../errors.ts";
import { flag } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { allKeys } from "../../ssh/keys.ts";

export const command = defineCommand({
  arguments: [
    { name: "key", summary: "Its fingerprint or comment, as `keys list` has it, or its id", required: true },
  ],
  options: { yes: flag("-y, --yes", "Do not ask") },
  details: "No pod lets it in any more, also of those that run; sessions that are open stay so.",
  examples: [
    { line: "gpu-dev keys remove SHA256:0y9… --yes", meaning: "The key of a machine that you lost" },
  ],
  async run([word = ""], { yes }, ctx): Promise<Output> {
    const found = (await allKeys(ctx)).filter((key) => [key.id, key.fingerprint, key.comment].includes(word));
    const [key, ...others] = found;
    if (!key)
      throw new Problem("not_found", `You have no key ${JSON.stringify(word)}`, {
        hint: "`gpu-dev keys list` shows yours.",
      });
    if (others.length > 0)
      throw new UsageError(
        `${found.length} keys have the comment ${JSON.stringify(word)}`,
        "Give the fingerprint.",
      );
    await agree(ctx, yes, `Forget ${key.fingerprint} ${key.comment}?`);
    const gone = await ctx.api().deleteKey({ params: { id: key.id } });
    ctx.say(`${gone.fingerprint} opens your pods no more`);
    return { json: gone, rows: [] };
  },
});
