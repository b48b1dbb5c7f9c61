/** `gpu-dev connect`: the real ssh client, with our own configuration file. */
import { reservationArgument } from "../argument.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { wordOrAsked } from "../find.ts";
import { count, flag, parsed } from "../options.ts";
import type { Output } from "../output/output.ts";
import { openEditor } from "../ssh/open-editor.ts";
import { explainFailure, runOpenSsh, SSH_FAILED } from "../ssh/openssh.ts";
import { reach } from "../ssh/reach.ts";

export const command = defineCommand({
  arguments: [
    reservationArgument(),
    {
      name: "command",
      summary: "What to run there, after `--`; without it, a shell",
      variadic: true,
      behindDashes: true,
    },
  ],
  options: {
    node: parsed("--node <N>", "Which of several nodes, from 0 (default: 0)", count),
    code: flag("--code", "Open VS Code on the home there"),
    cursor: flag("--cursor", "Open Cursor on the home there"),
  },
  details:
    "As with ssh, the words of the command are joined by blanks and read by the shell in the pod. The exit code is the command's; 255 when ssh itself failed. With --json its output and exit code are one document.",
  examples: [
    { line: "gpu-dev connect train", meaning: "A shell" },
    { line: "gpu-dev connect train --node 1", meaning: "A shell on the second of several nodes" },
    { line: "gpu-dev connect train --code", meaning: "VS Code on the pod, by its Remote SSH extension" },
    { line: "gpu-dev connect train -- nvidia-smi -L", meaning: "Runs one command and exits with its code" },
    {
      line: "gpu-dev connect -- nvidia-smi -L",
      meaning: "The same, in the only reservation or the one that you pick",
    },
  ],
  async run([word, ...words], { node = 0, code, cursor }, ctx): Promise<number | Output> {
    if ((code || cursor) && words.length > 0)
      throw new UsageError(
        "An editor runs no command",
        "Leave out --code and --cursor, or what stands behind `--`.",
      );
    if (ctx.global.json && words.length === 0)
      throw new UsageError(
        "connect --json needs a command after `--`: a shell is no document",
        "Such as: gpu-dev connect hello --json -- nvidia-smi -L",
      );
    const target = await reach(ctx, await wordOrAsked(ctx, word), node);
    if (code || cursor) return await openEditor(ctx, code ? "code" : "cursor", target);
    const command = words.length > 0 ? ["--", ...words] : [];
    const stdio = ctx.global.json ? "capture" : "inherit";
    const done = await runOpenSsh(ctx, "ssh", [target.alias, ...command], stdio);
    if (done.code === SSH_FAILED) await explainFailure(ctx, target);
    if (!ctx.global.json) return done.code;
    const { code: exit, stdout, stderr } = done;
    return { json: { id: target.id, exit_code: exit, stdout, stderr }, rows: [], exit };
  },
});
