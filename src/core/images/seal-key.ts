/** Which key the secrets in this database are sealed with: of it the database has a fingerprint, so that a server with another one is told at its start. */
import { createHmac } from "node:crypto";
import { Problem } from "../../api/errors.ts";
import type { Tx } from "../../store/db.ts";
import { findMeta, metaOr, saveMeta } from "../../store/meta.ts";
import { deleteAllRegistryLogins } from "../../store/registry-logins.ts";
import { record } from "../audit/record.ts";
import { SYSTEM } from "../change.ts";
import type { Core } from "../core.ts";

type Stored = Pick<Core, "store">;

const META = "seal_key";

/** Of a key of so many random bits it gives nothing away. */
export const fingerprintOf = (key: Uint8Array): string =>
  createHmac("sha256", key).update("gpu-dev seal key").digest("hex").slice(0, 32);

/** The fingerprint of the key that is in use; undefined while none ever was. */
export const sealKeyOf = ({ store }: Stored): Promise<string | undefined> =>
  store.read((db) => findMeta(db, META));

/** Puts it to use, if none is yet; false when another one is. */
export const useSealKey = ({ store }: Stored, fingerprint: string): Promise<boolean> =>
  store.write(async (tx) => (await metaOr(tx, META, fingerprint)) === fingerprint);

/** Puts it to use in place of another one, which is lost: what was sealed with that is forgotten. How much that was. */
export const replaceSealKey = ({ store }: Stored, fingerprint: string): Promise<number> =>
  store.write(async (tx) => {
    if ((await metaOr(tx, META, fingerprint)) === fingerprint) return 0;
    const logins = await deleteAllRegistryLogins(tx);
    await saveMeta(tx, META, fingerprint);
    await record(tx, SYSTEM, "secrets.forget", "registry logins", JSON.stringify({ logins }));
    return logins;
  });

/** Before something is stored that was sealed. Throws Problem unavailable when another key is in use since this server started. */
export async function requireSealKey(tx: Tx, fingerprint: string): Promise<void> {
  if ((await metaOr(tx, META, fingerprint)) === fingerprint) return;
  throw new Problem("unavailable", "the key for users' secrets was replaced since this server started", {
    hint: "ask who runs the server to start it again",
  });
}
