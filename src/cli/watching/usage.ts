/** What a reservation uses, again and again, until it is not active any more. */
import { RefusedRequest } from "../../api/client.ts";
import { EXIT } from "../../api/errors.ts";
import type { PodUsage } from "../../api/pod-usage.ts";
import type { Context } from "../context.ts";
import { describeUsage } from "../output/usage.ts";
import { usageFeed } from "./feed.ts";
import { type WatchOptions, watch } from "./watch.ts";

/** Shows it until it ends; the exit code. Throws what `watch` does, and not_active for one that is not active in the first place. */
export async function watchUsage(ctx: Context, id: string, options: WatchOptions): Promise<number> {
  let begun = false;
  const show = (usage: PodUsage) => {
    begun = true;
    return describeUsage(usage);
  };
  try {
    return await watch(ctx, usageFeed(id), show, options);
  } catch (error) {
    if (!begun || !(error instanceof RefusedRequest) || error.problem.code !== "not_active") throw error;
    ctx.say(error.problem.detail);
    return EXIT.ok;
  }
}
