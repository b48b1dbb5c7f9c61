/** `gpu-dev registry login`: stores a login for an image registry on the server. */
import { registryHost } from "../../../api/image-reference.ts";
import { defineCommand } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { text } from "../../options.ts";
import type { Output } from "../../output/output.ts";

export const command = defineCommand({
  arguments: [{ name: "host", summary: "The registry, such as ghcr.io", required: true }],
  options: { username: text("-u, --username <NAME>", "Who you are there (asked for when it is missing)") },
  details:
    "The password is asked for without showing it, or read from a pipe; give a token of the registry's where it has them. The server keeps it encrypted, gives it to the engine for your own images and builds, and shows it to nobody.",
  examples: [
    { line: "gpu-dev registry login ghcr.io --username ann", meaning: "Asks for the password" },
    {
      line: "gpu-dev registry login registry.example.org:5000 -u ci < password.txt",
      meaning: "For a script",
    },
    { line: "gpu-dev registry login docker.io -u ann", meaning: "For images without a host in their name" },
  ],
  async run([host = ""], given, ctx): Promise<Output> {
    if (registryHost(host) === undefined)
      throw new UsageError(
        `${JSON.stringify(host)} is no host of a registry`,
        "It looks like ghcr.io or registry.example.org:5000.",
      );
    const username = given.username ?? (await askName(ctx, host));
    const password = await askPassword(ctx, host, username);
    const login = await ctx.api().setRegistry({ body: { host, username, password } });
    ctx.say(`Images of ${login.host} are had as ${login.username} from now on`);
    return { json: login, rows: [] };
  },
});

function askName(ctx: Context, host: string): Promise<string> {
  if (!ctx.interactive) throw new UsageError("--username is missing", `It says who you are at ${host}.`);
  return ctx.prompts.text(`User name at ${host}:`, (given) => {
    if (given.trim() === "") throw new UsageError("it cannot be empty");
    return given.trim();
  });
}

async function askPassword(ctx: Context, host: string, username: string): Promise<string> {
  const { stdin } = ctx.io;
  if (stdin.isTTY && !ctx.interactive)
    throw new UsageError("The password cannot be asked for here", "Pipe it in: … < password.txt");
  const given = stdin.isTTY
    ? await ctx.prompts.secret(`Password of ${username} at ${host}`)
    : await stdin.text();
  const password = given.replace(/\r?\n$/, "");
  if (password !== "") return password;
  throw new UsageError("No password was given", "Pipe it in: … < password.txt");
}
