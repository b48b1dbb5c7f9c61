/** `gpu-dev doctor`: looks at everything between this machine and a pod, and says how to mend what is wrong. */
import { EXIT } from "../../api/errors.ts";
import type { Endpoint } from "../../api/home.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { type Finding, failed, skipped } from "../doctor/finding.ts";
import { checkAuthorities, checkNode, checkProxy, checkSsh, checkSshConfig } from "../doctor/local.ts";
import { checkClock, checkKey, checkNodes, checkServer, checkToken, checkVersion } from "../doctor/server.ts";
import { checkTunnel } from "../doctor/tunnel.ts";
import { CliError } from "../errors.ts";
import { lookOf, type Output } from "../output/output.ts";
import { paragraphs } from "../output/paragraphs.ts";
import { tunnelServer } from "../ssh/tunnel-server.ts";

export const command = defineCommand({
  options: {},
  details:
    "Each line is ok, a warning or a failure with its fix; nothing is changed. Exits with 1 if there is a failure. With an active reservation, a tunnel to it is opened and its echo measured.",
  examples: [
    { line: "gpu-dev doctor", meaning: "What is wrong between here and your pods, and how to mend it" },
  ],
  async run(_args, _options, ctx): Promise<Output | number> {
    const findings = await examine(ctx);
    const exit = findings.some(({ status }) => status === "failure") ? EXIT.error : EXIT.ok;
    if (ctx.io.stdout.isTTY && !ctx.global.json) {
      ctx.io.stdout.write(paragraphs(findings.map(paragraph), lookOf(ctx)));
      return exit;
    }
    return {
      json: { ok: exit === EXIT.ok, checks: findings },
      rows: findings.map(({ status, check, detail, fix = "" }) => [status, check, detail, fix]),
      exit,
    };
  },
});

const TONES = { ok: "good", warning: "warn", failure: "bad", skipped: "dim" } as const;

const paragraph = ({ status, check, detail, fix }: Finding) => ({
  mark: { word: status, tone: TONES[status] },
  title: check,
  lines: fix === undefined ? [detail] : [detail, `Fix: ${fix}`],
});

async function examine(ctx: Context): Promise<Finding[]> {
  const endpoint = findEndpoint(ctx);
  const url = "url" in endpoint ? endpoint.url : undefined;
  return [
    checkNode(),
    await attempt("ssh", () => checkSsh(ctx)),
    ...(url === undefined ? [] : [checkProxy(ctx, url)]),
    await checkAuthorities(ctx),
    await attempt("ssh-config", () => checkSshConfig(ctx)),
    ...("url" in endpoint ? await examineServer(ctx) : [endpoint]),
  ];
}

function findEndpoint(ctx: Context): Endpoint | Finding {
  try {
    return ctx.endpoint();
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return failed("server", error);
  }
}

/** One after the other: what follows a failure would only repeat it. */
async function examineServer(ctx: Context): Promise<Finding[]> {
  const server = await attempt("server", () => checkServer(ctx));
  const rest = ["clock", "token", "version", "nodes", "key", "tunnel"];
  if (server.status === "failure")
    return [server, ...rest.map((check) => skipped(check, "the server does not answer"))];
  const clock = await attempt("clock", () => checkClock(ctx));
  const token = await attempt("token", () => checkToken(ctx));
  if (token.status === "failure")
    return [server, clock, token, ...rest.slice(2).map((check) => skipped(check, "the token does not work"))];
  return [
    server,
    clock,
    token,
    await attempt("version", () => checkVersion(ctx)),
    await attempt("nodes", () => checkNodes(ctx)),
    await attempt("key", () => checkKey(ctx)),
    await attempt("tunnel", () => checkTunnel(ctx, tunnelServer(ctx))),
  ];
}

/** An exception is a finding, too: the other checks go on. */
async function attempt(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    return failed(check, error);
  }
}
