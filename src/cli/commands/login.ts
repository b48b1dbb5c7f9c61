/** `gpu-dev login`: stores a server and a token for it, once the server has said whose token that is. */
import type { Endpoint } from "../../api/home.ts";
import { isThisMachine } from "../../api/proxy.ts";
import { defineCommand } from "../command.ts";
import { knownContexts } from "../config/contexts.ts";
import { changeCredentials, contextName } from "../config/credentials.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { checkEndpoint, clientFor } from "../http/api.ts";
import { parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { rewriteSshFiles } from "../ssh/ssh-files.ts";

export const command = defineCommand({
  arguments: [{ name: "url", summary: "The server's address", required: true }],
  options: {
    name: parsed("--name <NAME>", "What the server is called here (default: its host name)", contextName),
  },
  details:
    "The token is asked for without showing it, or read from stdin; it is stored in credentials.json, which only you can read. The server becomes the current one; `gpu-dev context list` shows all.",
  examples: [
    { line: "gpu-dev login https://gpu.example.com", meaning: "Asks for your token, and checks it" },
    {
      line: "gpu-dev login https://lab.example.com --name lab < token.txt",
      meaning: "A second server, called lab: `gpu-dev list --context lab`",
    },
  ],
  async run([given = ""], { name }, ctx): Promise<Output> {
    const url = given.replace(/\/+$/, "");
    checkEndpoint({ url, context: "", token: undefined, origin: "the command line" });
    const context = name ?? contextName(new URL(url).host.replace(":", "-").replace(/[[\]]/g, ""));
    const endpoint: Endpoint = { url, context, token: await askToken(ctx, url), origin: "the command line" };
    const me = await clientFor(ctx, endpoint, ctx.detail).getMe({});
    await store(ctx, endpoint);
    await rewriteSshFiles(ctx);
    knownContexts(ctx);
    tellOfOthers(ctx, context);
    return {
      json: { ...me, url, context },
      rows: [
        ["name", me.name],
        ["role", me.role],
        ["server", url],
        ["context", context],
      ],
    };
  },
});

async function askToken(ctx: Context, url: string): Promise<string> {
  const { protocol, hostname } = new URL(url);
  if (protocol === "http:" && !isThisMachine(hostname))
    ctx.say(`${url} is not encrypted: whoever is on the way can read your token.`);
  const token = (ctx.interactive ? await ctx.prompts.secret(`Token for ${url}`) : await piped(ctx)).trim();
  if (/^[!-~]{1,4096}$/.test(token)) return token;
  throw new UsageError(
    token === "" ? "No token was given" : "What was given is no token: it has blanks or unusual characters",
    "Pipe it in: gpu-dev login URL < token.txt. The server's administrator has it.",
  );
}

function piped({ io }: Context): Promise<string> {
  if (!io.stdin.isTTY) return io.stdin.text();
  throw new UsageError("The token cannot be asked for here", "Pipe it in: gpu-dev login URL < token.txt");
}

async function store({ home }: Context, { context, url, token = "" }: Endpoint): Promise<void> {
  await changeCredentials(home, ({ contexts }) => {
    const known = contexts[context];
    if (known && known.url.replace(/\/+$/, "") !== url)
      throw new UsageError(
        `${context} is the name of ${known.url} already`,
        `Choose another with --name, or \`gpu-dev logout ${context}\` first.`,
      );
    return { current: context, contexts: { ...contexts, [context]: { ...known, url, token } } };
  });
}

/** A variable goes before what is stored: who has set one wants to know. */
function tellOfOthers({ env, say }: Context, context: string): void {
  const variable = ["GPU_DEV_URL", "GPU_DEV_TOKEN", "GPU_DEV_CONTEXT"].find((name) => env[name]);
  if (variable !== undefined) say(`${variable} is set, and goes before what is stored for ${context}.`);
}
