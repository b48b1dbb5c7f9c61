/** The user's own ssh key pair for reservations: made on first use, sent with what is reserved. */
import { join } from "node:path";
import type { Key } from "../../api/schemas.ts";
import { readOwnFile } from "../../tunnel/own-file.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";

/** All keys that the server knows of this user. */
export async function allKeys(ctx: Context): Promise<Key[]> {
  return (await allPages((query) => ctx.api().listKeys({ query }))).items;
}

/** The public key line of `<stateDir>/id_ed25519`, which is made when it is missing. */
export async function ownPublicKey(ctx: Context): Promise<string> {
  const file = join(ctx.home.stateDir, "id_ed25519");
  const known = readOwnFile(file) === undefined ? undefined : readOwnFile(`${file}.pub`);
  return known === undefined ? (await import("./make-keys.ts")).makeKeys(ctx, file) : known.trim();
}
