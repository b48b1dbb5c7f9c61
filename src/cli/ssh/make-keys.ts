/** Makes the user's ssh key pair, by ssh-keygen. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { link, mkdir, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { EXIT } from "../../api/errors.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";

/** Makes what is missing of the private key `file` and the public one beside it, whose line is the answer. Throws CliError. */
export async function makeKeys(ctx: Context, file: string): Promise<string> {
  const dir = dirname(file);
  await mkdir(dir, { recursive: true, mode: 0o700 });
  if (!existsSync(file)) await makeKeyPair(ctx, dir, file);
  return await derivePublicKey(ctx, file);
}

/** Made aside and linked into place, so that of two at once one wins and none sees half a key. */
async function makeKeyPair(ctx: Context, dir: string, file: string): Promise<void> {
  const aside = await mkdtemp(join(dir, "key-"));
  try {
    const made = join(aside, "id_ed25519");
    const hint = `Is there room in ${dir}, and may you write there? GPU_DEV_HOME names another directory.`;
    await sshKeygen(ctx, ["-q", "-t", "ed25519", "-N", "", "-C", "gpu-dev", "-f", made], hint);
    await link(made, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** From the private key, which alone decides: also right after a crash between the two files. */
async function derivePublicKey(ctx: Context, file: string): Promise<string> {
  const hint = `Look at ${file}; when it is damaged, remove it and a new one is made.`;
  const line = (await sshKeygen(ctx, ["-y", "-P", "", "-f", file], hint)).trim();
  const made = `${file}.pub.${randomUUID()}`;
  await writeFile(made, `${line}\n`, { mode: 0o644 });
  await rename(made, `${file}.pub`);
  return line;
}

async function sshKeygen(ctx: Context, args: readonly string[], hint: string): Promise<string> {
  const result = await ctx.runProgram("ssh-keygen", args, "capture").catch((cause: unknown) => {
    throw new CliError("no_openssh", EXIT.error, "ssh-keygen cannot be started; OpenSSH's client is needed", {
      hint: "On Debian and Ubuntu: apt install openssh-client",
      cause,
    });
  });
  if (result.code === 0) return result.stdout;
  throw new CliError("no_key", EXIT.error, `ssh-keygen failed: ${result.stderr.trim()}`, { hint });
}
