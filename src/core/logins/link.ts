/**
 * Logins at providers that are linked to users who are there already. Only who shows that both are theirs links them, or an administrator,
 * by what the provider never gives to another; never a name or an address alone, which anybody may have.
 */
import { Problem } from "../../api/errors.ts";
import type { LinkedIdentity, LinkResult, LinkUserIdentity, UnlinkedIdentity } from "../../api/identities.ts";
import type { Page } from "../../api/schemas.ts";
import type { Tx } from "../../store/db.ts";
import type { IdentityRow } from "../../store/login-tables.ts";
import * as store from "../../store/logins.ts";
import { record } from "../audit/record.ts";
import type { Core } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { requireUser } from "../people/find-user.ts";
import { countMade, handOn, listMade, unlink } from "../people/made.ts";
import { holdCaller } from "../people/standing.ts";
import { requireAdminForAll } from "../people/token-list.ts";
import { notOffered } from "./begin.ts";
import { conclude, type Given } from "./finish.ts";
import { identityId } from "./identity-id.ts";
import { type Identity, LoginRefused } from "./providers.ts";

/** More than anybody has, and few enough for one page. */
const MAX_LINKED = 20;

/** Those of the user, by provider. Throws Problem not_found. */
export const listIdentities = (core: Core, userId: string): Promise<Page<LinkedIdentity>> =>
  core.store.read(async (db) => {
    await requireUser(db, userId);
    const rows = await store.listIdentities(db, userId);
    return { items: rows.map((row) => view(core, row)), next_cursor: null };
  });

/** Finishes a login that was begun, which leads to the caller from then on. Throws Problem as finishLogin does, and conflict for one that leads to another. */
export const linkIdentity = (core: Core, caller: Caller, given: Given): Promise<LinkResult> =>
  conclude(core, given, caller.id, async (tx, identity) => {
    await holdCaller(tx, caller);
    if ((await requireUser(tx.db, caller.id)).role !== caller.role) throw lesserToken(identity);
    if (identity.shared) throw sharedByMany(identity);
    return { state: "done", identity: view(core, await link(tx, caller, caller.id, identity)) };
  });

/** For an administrator. Throws Problem not_found, invalid_input for a provider that this server does not offer, and conflict. */
export function linkUserIdentity(
  core: Core,
  caller: Caller,
  userId: string,
  { with: kind, subject }: LinkUserIdentity,
): Promise<LinkedIdentity> {
  const provider = core.logins?.providers.find((each) => each.kind === kind)?.issuer;
  return core.store.write(
    async (tx) => {
      await holdCaller(tx, caller);
      await requireUser(tx.db, userId);
      if (provider === undefined) throw notOffered(core, kind);
      return view(core, await link(tx, caller, userId, { provider, subject, name: null }));
    },
    { lock: "users" },
  );
}

type Known = Pick<Identity, "provider" | "subject"> & { readonly name: string | null };

/** Under the lock "users", as every login is. */
async function link(
  tx: Tx,
  caller: Caller,
  userId: string,
  { provider, subject, name }: Known,
): Promise<IdentityRow> {
  const known = await store.findIdentity(tx, provider, subject);
  if (known?.user_id === userId) return known;
  if (known)
    throw new LoginRefused(
      { provider, subject, name: name ?? subject },
      "conflict",
      "this login leads to another user here already",
      "that user unlinks it (gpu-dev identity unlink), or an administrator (gpu-dev admin identities)",
    );
  if ((await store.listIdentities(tx.db, userId)).length >= MAX_LINKED)
    throw new Problem("conflict", `${MAX_LINKED} logins lead to this user already`, {
      hint: "unlink one first",
    });
  const row = await store.insertIdentity(tx, {
    ...{ provider, subject, user_id: userId, name },
    ...{ made_by: caller.id, made_with: caller.tokenId },
  });
  const about = JSON.stringify({ provider, subject, name, made_with: caller.tokenId });
  await record(tx, caller.id, "identity.create", userId, about);
  return row;
}

/** Whoever comes in by the login has all rights of the user, and must not have got them by less. */
const lesserToken = (identity: Identity): Problem =>
  new LoginRefused(
    identity,
    "not_allowed",
    "your token has less rights than you, and a login that leads to you would have all of them",
    "use a token of the scope admin: gpu-dev token create LABEL --scope admin",
  );

const sharedByMany = (identity: Identity): Problem =>
  new LoginRefused(
    identity,
    "not_allowed",
    `the login of ${identity.name} is shared: all who have that role would become you`,
    "ask who runs the server: with `name_from: session` each session is somebody",
  );

/**
 * A login of the user leads to nobody any more, and what came of it is revoked, as far as it is of the same user or `made` says "all".
 * Throws Problem not_found, and not_allowed for `all`.
 */
export const unlinkIdentity = (
  core: Core,
  caller: Caller,
  id: string,
  {
    userId = caller.id,
    made = "own",
  }: { readonly userId?: string; readonly made?: "own" | "all" | undefined },
): Promise<UnlinkedIdentity> =>
  core.store.write(
    async (tx) => {
      await requireUser(tx.db, userId);
      const row = (await store.listIdentities(tx.db, userId)).find((each) => identityId(each) === id);
      if (!row) throw unknownIdentity(id);
      if (made === "all") requireAdminForAll(caller);
      const gone = await unlink(tx, caller.id, row, made === "own" ? userId : undefined);
      const left = await listMade(tx.db, id, tx.at);
      await handOn(tx, row);
      return { ...view(core, row), also_revoked: countMade(gone, userId), left: countMade(left, userId) };
    },
    { lock: "users" },
  );

export const unknownIdentity = (id: string): Problem =>
  new Problem("not_found", `there is no linked login ${id}`, { hint: "gpu-dev identity list shows yours" });

function view({ logins }: Core, row: IdentityRow): LinkedIdentity {
  const { provider, subject, name, user_id, created_at, made_by, made_with } = row;
  return {
    id: identityId(row),
    with: logins?.providers.find(({ issuer }) => issuer === provider)?.kind ?? null,
    ...{ provider, subject, name, user_id, created_at, made_by, made_with },
  };
}
