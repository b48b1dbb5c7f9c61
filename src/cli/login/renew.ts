/** A login that is over is made anew by the command that notices it: without a person where that is possible, else with one who is there. */
import { credentialsFile, type Endpoint, readCredentials } from "../../api/home.ts";
import type { LoginKind } from "../../api/login-routes.ts";
import { whileLocked } from "../../tunnel/own-file.ts";
import { changeCredentials } from "../config/credentials.ts";
import type { Context } from "../context.ts";
import { obtain } from "./obtain.ts";

/** A credential helper, AWS and the server may each take a while; whoever takes longer than that has died. */
const RENEWAL_MS = 60_000;

/** A token in the place of one that the server did not take; undefined when there is none to be had. Throws CliError. */
export async function renew(ctx: Context, endpoint: Endpoint): Promise<string | undefined> {
  const { context, url, token } = endpoint;
  const stored = readCredentials(ctx.home).contexts[context];
  // One that a variable gave, or that was handed out, cannot be asked for again.
  if (!stored?.login || stored.url !== url || ctx.env.GPU_DEV_TOKEN) return undefined;
  // Another command has done it meanwhile.
  if (stored.token !== token) return stored.token;
  if (stored.login !== "aws" && !ctx.interactive) return undefined;
  if (stored.login !== "aws") return anew(ctx, endpoint, stored.login);
  // Commands that notice it together need one login, not one each.
  return whileLocked(
    `${credentialsFile(ctx.home)}.renewal`,
    async () => {
      const now = readCredentials(ctx.home).contexts[context];
      return now && now.token !== token ? now.token : anew(ctx, endpoint, "aws");
    },
    RENEWAL_MS,
  );
}

async function anew(ctx: Context, endpoint: Endpoint, login: LoginKind): Promise<string> {
  ctx.say(`Your login to ${endpoint.url} is over; here is a new one.`);
  const { token: made, way } = await obtain(ctx, endpoint, login);
  await changeCredentials(ctx.home, (now) => {
    const stored = now.contexts[endpoint.context] ?? { url: endpoint.url };
    return {
      ...now,
      contexts: { ...now.contexts, [endpoint.context]: { ...stored, token: made, login: way } },
    };
  });
  return made;
}
