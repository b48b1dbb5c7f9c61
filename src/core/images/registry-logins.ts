/** Users' logins at image registries: sealed while they are stored, opened for the launch of a pod of theirs, shown to nobody. */
import { Problem } from "../../api/errors.ts";
import { registryHost } from "../../api/image-reference.ts";
import type { RegistryLogin, SetRegistryLogin } from "../../api/registries.ts";
import { LaunchRefused, type RegistryLogin as OpenLogin } from "../../drivers/driver.ts";
import type { RegistryLoginRow } from "../../store/image-tables.ts";
import * as store from "../../store/registry-logins.ts";
import type { Db } from "../../store/tables.ts";
import { record } from "../audit/record.ts";
import type { Core, ImageSettings } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { holdCaller } from "../people/standing.ts";
import { requireImages } from "./rules.ts";
import type { Sealer } from "./seal.ts";
import { requireSealKey } from "./seal-key.ts";

const MAX_LOGINS = 50;

/** By host. */
export const listRegistryLogins = async (
  core: Core,
  caller: Caller,
): Promise<{ items: RegistryLogin[] }> => ({
  items: (await core.store.read((db) => store.registryLoginsOf(db, caller.id))).map(view),
});

/** In place of an earlier one for that host. Throws Problem impossible_request, over_quota. */
export async function setRegistryLogin(
  core: Core,
  caller: Caller,
  { host, username, password }: SetRegistryLogin,
): Promise<RegistryLogin> {
  const { sealer } = requireImages(core);
  const sealed = sealer.seal(password, aboutOf(caller.id, host));
  return core.store.write(async (tx) => {
    // Who is disabled meanwhile leaves no secret behind.
    await holdCaller(tx, caller);
    await requireSealKey(tx, sealer.fingerprint);
    const known = await store.registryLoginsOf(tx.db, caller.id);
    if (known.length >= MAX_LOGINS && !known.some((login) => login.host === host))
      throw new Problem("over_quota", `you have logins for ${MAX_LOGINS} registries, which is the most`, {
        hint: "remove one first: gpu-dev registry logout HOST",
      });
    const row = { user_id: caller.id, host, username, sealed, created_at: tx.at };
    await store.saveRegistryLogin(tx, row);
    await record(tx, caller.id, "registry.login", host);
    return view(row);
  });
}

/** Throws Problem not_found. */
export async function removeRegistryLogin(core: Core, caller: Caller, host: string): Promise<RegistryLogin> {
  return core.store.write(async (tx) => {
    const [gone] = await store.deleteRegistryLogins(tx, caller.id, registryHost(host) ?? host);
    if (!gone) throw unknownRegistry(host);
    await record(tx, caller.id, "registry.logout", gone.host);
    return view(gone);
  });
}

export const unknownRegistry = (host: string): Problem =>
  new Problem("not_found", `you have no login for ${host}`, { hint: "`gpu-dev registry list` shows yours" });

/** A user's logins as a driver needs them; of one host, where it is told. Throws LaunchRefused when the server's key is another one by now. */
export async function openLogins(
  db: Db,
  { sealer }: ImageSettings,
  userId: string,
  host?: string,
): Promise<Record<string, OpenLogin>> {
  const rows = (await store.registryLoginsOf(db, userId)).filter(
    (row) => host === undefined || row.host === host,
  );
  return Object.fromEntries(rows.map((row) => [row.host, open(sealer, row)]));
}

function open(sealer: Sealer, { user_id, host, username, sealed }: RegistryLoginRow): OpenLogin {
  const password = sealer.open(sealed, aboutOf(user_id, host));
  if (password !== undefined) return { username, password };
  throw new LaunchRefused(
    `the login for ${host} cannot be read, since the server has another key than when it was stored: gpu-dev registry login ${host}`,
  );
}

const aboutOf = (userId: string, host: string): string => `registry ${userId} ${host}`;

const view = ({ host, username, created_at }: RegistryLoginRow): RegistryLogin => ({
  host,
  username,
  created_at,
});
