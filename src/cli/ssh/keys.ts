/** The user's own ssh key pair for reservations: made on first use, registered before reserving. */
import { randomUUID } from "node:crypto";
import { link, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT } from "../../api/errors.ts";
import type { Key } from "../../api/schemas.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { allPages } from "../http/all-pages.ts";

/** Registers our public key with the server; one that it knows already is answered as it is, so it is always sent. */
export async function registerKey(ctx: Context): Promise<void> {
  const publicKey = await ensureKeyPair(ctx);
  await ctx.api().createKey({ body: { public_key: publicKey }, idempotencyKey: randomUUID() });
}

/** All keys that the server knows of this user. */
export async function allKeys(ctx: Context): Promise<Key[]> {
  return (await allPages((query) => ctx.api().listKeys({ query }))).items;
}

/** The public key line of `<stateDir>/id_ed25519`, which is made when it is missing. */
async function ensureKeyPair(ctx: Context): Promise<string> {
  const { stateDir } = ctx.home;
  const file = join(stateDir, "id_ed25519");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const known = await readIfThere(`${file}.pub`);
  if (known !== undefined && (await readIfThere(file)) !== undefined) return known.trim();
  if ((await readIfThere(file)) === undefined) await makeKeyPair(ctx, stateDir, file);
  return await derivePublicKey(ctx, file);
}

/** Made aside and linked into place, so that of two at once one wins and none sees half a key. */
async function makeKeyPair(ctx: Context, stateDir: string, file: string): Promise<void> {
  const aside = await mkdtemp(join(stateDir, "key-"));
  try {
    const made = join(aside, "id_ed25519");
    const hint = `Is there room in ${stateDir}, and may you write there? GPU_DEV_HOME names another directory.`;
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

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
