/** `gpu-dev connect`: the real ssh client, with our own configuration file. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/schemas.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { CliError, UsageError } from "../errors.ts";
import { findReservation } from "../find.ts";
import { count, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { label, sshAlias } from "../output/reservation.ts";
import { endedAt, whenActive } from "../ready.ts";
import { refreshSshFiles, sshConfigFile } from "../ssh-files.ts";

/** What ssh exits with when ssh itself failed. */
const SSH_FAILED = 255;

export const command = defineCommand({
  arguments: [
    {
      name: "reservation",
      summary: "Id, name, or the first 4 or more characters of the id",
      required: true,
      completes: "reservations",
    },
    { name: "command", summary: "What to run there, after `--`; without it, a shell", variadic: true },
  ],
  options: { node: parsed("--node <N>", "Which of several nodes, from 0 (default: 0)", count) },
  details:
    "As with ssh, the words of the command are joined by blanks and read by the shell in the pod. The exit code is the command's; 255 when ssh itself failed. With --json its output and exit code are one document.",
  examples: [
    { line: "gpu-dev connect train", meaning: "A shell" },
    { line: "gpu-dev connect train --node 1", meaning: "A shell on the second of several nodes" },
    { line: "gpu-dev connect train -- nvidia-smi -L", meaning: "Runs one command and exits with its code" },
  ],
  async run([word = "", ...words], { node = 0 }, ctx): Promise<number | Output> {
    if (ctx.global.json && words.length === 0)
      throw new UsageError(
        "connect --json needs a command after `--`: a shell is no document",
        "Such as: gpu-dev connect hello --json -- nvidia-smi -L",
      );
    const reservation = await whenActive(ctx, await findReservation(ctx.api(), word));
    checkNode(reservation, node);
    await refreshSshFiles(ctx);
    const { code, stdout, stderr } = await ssh(ctx, sshAlias(reservation, node), words);
    if (code === SSH_FAILED) await explain(ctx, reservation);
    if (!ctx.global.json) return code;
    return { json: { id: reservation.id, exit_code: code, stdout, stderr }, rows: [], exit: code };
  },
});

function checkNode(r: Reservation, node: number): void {
  const nodes = r.node_count ?? 1;
  if (node < nodes) return;
  throw new UsageError(
    `--node: ${label(r)} has no node ${node}`,
    nodes === 1 ? "It has one, number 0." : `It has nodes 0 to ${nodes - 1}.`,
  );
}

async function ssh(ctx: Context, host: string, words: readonly string[]) {
  const args = ["-F", sshConfigFile(ctx.home.stateDir), host, ...(words.length > 0 ? ["--", ...words] : [])];
  // Ctrl-C belongs to ssh while it runs.
  const interrupt = ctx.watchInterrupt();
  try {
    return await ctx.runProgram("ssh", args, ctx.global.json ? "capture" : "inherit");
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw new CliError("no_openssh", EXIT.error, "ssh cannot be started; OpenSSH's client is needed", {
      hint: "On Debian and Ubuntu: apt install openssh-client",
      cause,
    });
  } finally {
    interrupt.stop();
  }
}

/** C-24: after 255, which it was. */
async function explain(ctx: Context, before: Reservation): Promise<void> {
  const now = await ctx.api().getReservation({ params: { id: before.id } });
  if (now.state === "active")
    ctx.say(
      `ssh failed, but ${label(now)} is active: the connection dropped or was refused (see above). Try again.`,
    );
  else ctx.say(endedAt(now));
}
