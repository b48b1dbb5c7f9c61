/** The real ssh and scp, with our own configuration file. */
import { EXIT } from "../../api/errors.ts";
import type { Context } from "../context.ts";
import { CliError, failureOf } from "../errors.ts";
import { label } from "../output/reservation.ts";
import { endedAt } from "../watching/ready.ts";
import type { Target } from "./reach.ts";
import { refreshSshFiles, sshConfigFile } from "./ssh-files.ts";

/** What ssh and scp exit with when the connection failed. */
export const SSH_FAILED = 255;

/** Long enough for an answer, short enough to wait for it before a message. */
const PROBE_TIMEOUT_S = 10;

/** Runs one of them to its end; Ctrl-C is its own meanwhile. Throws CliError `no_openssh`. */
export async function runOpenSsh(
  ctx: Context,
  program: "ssh" | "scp",
  args: readonly string[],
  stdio: "inherit" | "capture",
) {
  const interrupt = ctx.watchInterrupt();
  try {
    return await ctx.runProgram(program, ["-F", sshConfigFile(ctx.home.stateDir), ...args], stdio);
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError("no_openssh", EXIT.error, `${program} cannot be started; OpenSSH's client is needed`, {
      hint: "On Debian and Ubuntu: apt install openssh-client",
      cause,
    });
  } finally {
    interrupt.stop();
  }
}

/** After a connection that failed, which it was: the reservation ended, access was refused, or the connection dropped (C-24). */
export async function explainFailure(ctx: Context, target: Target): Promise<void> {
  try {
    const now = await ctx.api().getReservation({ params: { id: target.id } });
    if (now.state !== "active") ctx.say(endedAt(now));
    else ctx.say(`${label(now)} is active: ${await whyFailed(ctx, target.alias)}`);
    // What ssh was told may be old: the name may be another reservation's by now.
    await refreshSshFiles(ctx);
  } catch (error) {
    const { message, hint } = failureOf(error);
    ctx.say(`Why it failed cannot be told: ${message}${hint === undefined ? "" : `\n${hint}`}`);
  }
}

/** Another login tells a refusal, which comes again, from a connection that broke. */
async function whyFailed(ctx: Context, alias: string): Promise<string> {
  const alone = ["-o", "BatchMode=yes", "-o", "ControlPath=none", "-o", `ConnectTimeout=${PROBE_TIMEOUT_S}`];
  const { code, stderr } = await runOpenSsh(ctx, "ssh", [...alone, alias, "--", "true"], "capture");
  const last = stderr.trim().split("\n").at(-1) ?? "";
  if (code === 0) return "the connection dropped. Try again: it works now.";
  if (/Permission denied|Host key verification failed/.test(stderr))
    return `access was refused (${last}). \`gpu-dev doctor\` looks at your key.`;
  return `it cannot be reached (${last}). \`gpu-dev doctor\` looks at each step of the way.`;
}
