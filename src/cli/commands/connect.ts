/** `gpu-dev connect`: the real ssh client, with our own configuration file. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/schemas.ts";
import { defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { CliError, UsageError } from "../errors.ts";
import { findReservation } from "../find.ts";
import type { Output } from "../output/output.ts";
import { endedWords, isFinal, label, outlook, sshAlias } from "../output/reservation.ts";
import { refreshSshFiles, sshConfigFile } from "../ssh-files.ts";
import { waitUntilActive } from "../wait.ts";

/** One that is being prepared is seconds away; a queued one may be hours. */
const PREPARING_TIMEOUT_S = 60;
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
  options: {},
  details:
    "As with ssh, the words of the command are joined by blanks and read by the shell in the pod. The exit code is the command's; 255 when ssh itself failed. With --json its output and exit code are one document.",
  examples: [
    { line: "gpu-dev connect train", meaning: "A shell" },
    { line: "gpu-dev connect train -- nvidia-smi -L", meaning: "Runs one command and exits with its code" },
  ],
  async run([word = "", ...words], _options, ctx): Promise<number | Output> {
    if (ctx.global.json && words.length === 0)
      throw new UsageError(
        "connect --json needs a command after `--`: a shell is no document",
        "Such as: gpu-dev connect hello --json -- nvidia-smi -L",
      );
    const reservation = await ready(ctx, await findReservation(ctx.api(), word));
    await refreshSshFiles(ctx);
    const { code, stdout, stderr } = await ssh(ctx, reservation, words);
    if (code === SSH_FAILED) await explain(ctx, reservation);
    if (!ctx.global.json) return code;
    return { json: { id: reservation.id, exit_code: code, stdout, stderr }, rows: [], exit: code };
  },
});

/** The reservation once ssh works. Throws CliError `not_ready` or `reservation_ended` (exit 9). */
async function ready(ctx: Context, r: Reservation): Promise<Reservation> {
  if (r.state === "active") return r;
  if (r.state === "preparing") return await waitInterruptibly(ctx, r);
  if (isFinal(r) || r.state === "ending") throw ended(r);
  const start = outlook(r, ctx.clock.now());
  throw new CliError(
    "not_ready",
    EXIT.conflict,
    `${label(r)} is still queued: ${typeof start === "string" ? start : start.text}`,
    {
      hint: `\`gpu-dev show ${label(r)}\` follows it.`,
      extra: { reservation: r },
    },
  );
}

async function waitInterruptibly(ctx: Context, r: Reservation): Promise<Reservation> {
  const interrupt = ctx.watchInterrupt();
  try {
    return await waitUntilActive(ctx, r, { timeoutS: PREPARING_TIMEOUT_S, signal: interrupt.signal });
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: `${label(r)} is still being prepared.`,
    });
  } finally {
    interrupt.stop();
  }
}

const ended = (r: Reservation): CliError =>
  new CliError("reservation_ended", EXIT.conflict, endedAt(r), {
    hint: "`gpu-dev list` shows those that live; `gpu-dev reserve` makes another.",
    extra: { reservation: r },
  });

const endedAt = (r: Reservation): string => endedWords(r, r.ended_at === null ? "" : ` since ${r.ended_at}`);

async function ssh(ctx: Context, r: Reservation, words: readonly string[]) {
  const args = [
    "-F",
    sshConfigFile(ctx.home.stateDir),
    sshAlias(r),
    ...(words.length > 0 ? ["--", ...words] : []),
  ];
  // Ctrl-C belongs to ssh while it runs.
  const interrupt = ctx.watchInterrupt();
  try {
    return await ctx.runProgram("ssh", args, ctx.global.json ? "capture" : "inherit");
  } catch (cause) {
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
