/** `gpu-dev keys add`: registers another ssh key, such as the one of another machine. */
import { readFile } from "node:fs/promises";
import { defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "file", summary: "A public key (….pub)", required: true, completes: "files" }],
  details:
    "It opens your pods, also those that run already. `gpu-dev reserve` makes and registers a key of its own; this is for others.",
  examples: [
    { line: "gpu-dev keys add ~/.ssh/id_ed25519.pub", meaning: "ssh with your usual key works, too" },
  ],
  async run([file = ""], _options, ctx): Promise<Output> {
    const text = (await readFile(file, "utf8")).trim();
    if (text.includes("PRIVATE KEY"))
      throw new UsageError(`${file} is a private key, which is for nobody else`, `Give ${file}.pub.`);
    const key = await ctx.api().createKey({ body: { public_key: text }, idempotencyKey: idempotencyKey() });
    return { json: key, rows: [[key.fingerprint, key.type, key.comment]] };
  },
});
