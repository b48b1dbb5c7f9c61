/** `gpu-dev keys list`: the ssh keys that open the caller's pods. */
import { defineCommand } from "../../command.ts";
import type { Output } from "../../output/output.ts";
import { allKeys } from "../../ssh/keys.ts";

export const command = defineCommand({
  examples: [{ line: "gpu-dev keys list", meaning: "Your ssh keys, as the server knows them" }],
  async run(_args, _options, ctx): Promise<Output> {
    const items = await allKeys(ctx);
    return {
      json: { items },
      header: ["FINGERPRINT", "TYPE", "COMMENT", "ADDED"],
      rows: items.map(({ fingerprint, type, comment, created_at }) => [
        fingerprint,
        type,
        comment,
        created_at,
      ]),
      empty:
        "No keys. The first `gpu-dev reserve` makes and registers one; `gpu-dev keys add FILE` adds another.",
    };
  },
});
