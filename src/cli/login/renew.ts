/** A login that is over is made anew by the command that notices it: without a person where that is possible, else with one who is there. */
import { type Endpoint, readCredentials } from "../../api/home.ts";
import { changeCredentials } from "../config/credentials.ts";
import type { Context } from "../context.ts";
import { obtain } from "./obtain.ts";

/** A token in the place of one that the server did not take; undefined when there is none to be had. Throws CliError. */
export async function renew(ctx: Context, endpoint: Endpoint): Promise<string | undefined> {
  const { context, url, token } = endpoint;
  const stored = readCredentials(ctx.home).contexts[context];
  // One that a variable gave, or that was handed out, cannot be asked for again.
  if (!stored?.login || stored.url !== url || ctx.env.GPU_DEV_TOKEN) return undefined;
  // Another command has done it meanwhile.
  if (stored.token !== token) return stored.token;
  if (stored.login !== "aws" && !ctx.interactive) return undefined;
  ctx.say(`Your login to ${url} is over; here is a new one.`);
  const { token: made, way } = await obtain(ctx, endpoint, stored.login);
  await changeCredentials(ctx.home, (now) => ({
    ...now,
    contexts: { ...now.contexts, [context]: { ...stored, token: made, login: way } },
  }));
  return made;
}
