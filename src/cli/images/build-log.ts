/** What a build says, on stderr while its reservation is waited for; `gpu-dev logs` has it afterwards. */
import type { Context } from "../context.ts";
import { plain } from "../output/text.ts";
import { logFeed } from "../watching/feed.ts";
import { follow } from "../watching/follow.ts";

/** Until the signal; it never rejects, since the wait itself tells what is the matter. */
export async function showBuild(
  ctx: Context,
  id: string,
  timeoutS: number,
  signal: AbortSignal,
): Promise<void> {
  const until = ctx.clock.now().getTime() + timeoutS * 1000;
  try {
    for await (const page of follow(ctx, logFeed(id, { source: "pod" }), {
      signal,
      until,
      onOutage: () => undefined,
    }))
      for (const { text } of page?.items ?? []) ctx.say(`  ${plain(text)}`);
  } catch (error) {
    if (!signal.aborted)
      ctx.detail(`the build's log is not shown: ${error instanceof Error ? error.message : error}`);
  }
}
