/** `gpu-dev logout`: forgets a server and the token for it. */
import { readCredentials } from "../../api/home.ts";
import { defineCommand } from "../command.ts";
import { knownContexts } from "../config/contexts.ts";
import { changeCredentials } from "../config/credentials.ts";
import { NotConfigured } from "../errors.ts";
import type { Output } from "../output/output.ts";
import { rewriteSshFiles } from "../ssh/ssh-files.ts";

export const command = defineCommand({
  arguments: [
    { name: "context", summary: "The server's name here (default: the current one)", completes: "contexts" },
  ],
  details:
    "The token is removed from this machine; the server still takes it until it expires or is revoked there.",
  examples: [
    { line: "gpu-dev logout", meaning: "Forgets the current server and its token" },
    { line: "gpu-dev logout lab", meaning: "Forgets the server called lab" },
  ],
  async run([given], _options, ctx): Promise<Output> {
    const { current, contexts } = readCredentials(ctx.home);
    const context = given ?? ctx.global.context ?? current;
    const known = context === undefined ? undefined : contexts[context];
    if (context === undefined || known === undefined)
      throw new NotConfigured(
        context === undefined
          ? "You are not logged in to any server"
          : `You are not logged in to ${JSON.stringify(context)}`,
        "`gpu-dev context list` shows where you are.",
      );
    await changeCredentials(ctx.home, (now) => {
      const { [context]: _gone, ...others } = now.contexts;
      return now.current === context ? { contexts: others } : { ...now, contexts: others };
    });
    knownContexts(ctx);
    await rewriteSshFiles(ctx);
    ctx.say(`Logged out of ${known.url}.`);
    return { json: { context, url: known.url }, rows: [] };
  },
});
