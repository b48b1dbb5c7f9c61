/** `gpu-dev whoami`: who the token belongs to, and what they may have. */
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { flag } from "../options.ts";
import type { Output } from "../output/output.ts";

export const command = defineCommand({
  options: { quota: flag("--quota", "Show the quotas that hold for you, and how much of them is used") },
  details:
    "GPU hours are those of the last 7 days, with all that your reservations may still use; what a team uses counts together.",
  examples: [
    { line: "gpu-dev whoami", meaning: "Your name and role, and which server says so" },
    { line: "gpu-dev whoami --quota", meaning: "How many GPUs and GPU hours are left" },
  ],
  async run(_args, { quota }, ctx): Promise<Output> {
    const me = await ctx.api().getMe({});
    const { url, context } = ctx.endpoint();
    const who = { ...me, url, context };
    if (quota) return await showQuotas(ctx, who);
    return {
      json: who,
      rows: [
        ["name", me.name],
        ["role", me.role],
        ["server", url],
        ["context", context],
      ],
    };
  },
});

async function showQuotas(ctx: Context, who: object): Promise<Output> {
  const [{ items }, { limitRow }] = await Promise.all([
    ctx.api().listOwnQuotas({ query: {} }),
    import("../output/quota.ts"),
  ]);
  const now = ctx.clock.now();
  return {
    json: { ...who, quotas: items },
    header: ["QUOTA OF", "LIMIT", "USED", "OF", "ROOM AGAIN"],
    rows: items.map((own) => limitRow(own, now)),
    empty: "No quota limits you.",
  };
}
