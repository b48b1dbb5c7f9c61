/** `gpu-dev login`: stores a server and a token for it, once the server has said whose token that is. */
import type { Endpoint } from "../../api/home.ts";
import { LOGIN_WAYS } from "../../api/login-routes.ts";
import { defineCommand } from "../command.ts";
import { knownContexts } from "../config/contexts.ts";
import { changeCredentials, contextName } from "../config/credentials.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { checkEndpoint, clientFor } from "../http/api.ts";
import { type Obtained, obtain } from "../login/obtain.ts";
import { choice, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { until } from "../output/time.ts";
import { rewriteSshFiles } from "../ssh/ssh-files.ts";

export const command = defineCommand({
  arguments: [{ name: "url", summary: "The server's address", required: true }],
  options: {
    name: parsed("--name <NAME>", "What the server is called here (default: its host name)", contextName),
    with: choice("--with <HOW>", "How, without being asked", LOGIN_WAYS),
  },
  details:
    "On a terminal you choose from what the server offers: your organisation's login or GitHub, which you finish in any browser, an identity of AWS, which signs a request on this machine, or a token, which is asked for without showing it. From a pipe a token is read. What comes of it is stored in credentials.json, which only you can read, and made anew when it is over: with AWS by itself, else on a terminal. The server becomes the current one; `gpu-dev context list` shows all.",
  examples: [
    {
      line: "gpu-dev login https://gpu.example.com",
      meaning: "Asks how you log in, and stores what comes of it",
    },
    {
      line: "gpu-dev login https://gpu.example.com --with oidc",
      meaning: "Shows a code for your organisation's login",
    },
    {
      line: "gpu-dev login https://gpu.example.com --with aws",
      meaning: "As the role of AWS that you have here",
    },
    {
      line: "gpu-dev login https://lab.example.com --name lab < token.txt",
      meaning: "A second server, called lab: `gpu-dev list --context lab`",
    },
  ],
  async run([given = ""], { name, with: wanted }, ctx): Promise<Output> {
    const url = given.replace(/\/+$/, "");
    checkEndpoint({ url, context: "", token: undefined, origin: "the command line" });
    const context = name ?? contextName(new URL(url).host.replace(":", "-").replace(/[[\]]/g, ""));
    const anonymous: Endpoint = { url, context, token: undefined, origin: "the command line" };
    const obtained = await obtain(ctx, anonymous, wanted);
    const me = await clientFor(ctx, { ...anonymous, token: obtained.token }, ctx.detail).getMe({});
    await store(ctx, anonymous, obtained);
    await rewriteSshFiles(ctx);
    knownContexts(ctx);
    tellOfOthers(ctx, context);
    return {
      json: { ...me, url, context, expires_at: obtained.expiresAt },
      rows: [
        ["name", me.name],
        ["role", me.role],
        ["server", url],
        ["context", context],
        ...(obtained.expiresAt === null ? [] : [["until", until(obtained.expiresAt, ctx.clock.now())]]),
      ],
    };
  },
});

async function store({ home }: Context, { context, url }: Endpoint, { token, way }: Obtained): Promise<void> {
  await changeCredentials(home, ({ contexts }) => {
    const known = contexts[context];
    if (known && known.url.replace(/\/+$/, "") !== url)
      throw new UsageError(
        `${context} is the name of ${known.url} already`,
        `Choose another with --name, or \`gpu-dev logout ${context}\` first.`,
      );
    const { login: _earlier, ...kept } = known ?? {};
    const again = way === "token" ? {} : { login: way };
    return { current: context, contexts: { ...contexts, [context]: { ...kept, url, token, ...again } } };
  });
}

/** A variable goes before what is stored: who has set one wants to know. */
function tellOfOthers({ env, say }: Context, context: string): void {
  const variable = ["GPU_DEV_URL", "GPU_DEV_TOKEN", "GPU_DEV_CONTEXT"].find((name) => env[name]);
  if (variable !== undefined) say(`${variable} is set, and goes before what is stored for ${context}.`);
}
