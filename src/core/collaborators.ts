/**
 * Sharing a reservation. A *collaborator* is a user of this server, who sees it and comes in through the tunnel with a token of his
 * own, or an account of GitHub, whose keys open the pod's sshd for whoever can reach that. A word names a user where there is one
 * of that name, else the account; `github:NAME` is always the account.
 */
import { Problem } from "../api/errors.ts";
import { githubNameFault } from "../api/names.ts";
import { collaboratorsOf, deleteCollaborator, saveCollaborator } from "../store/collaborators.ts";
import type { Tx } from "../store/db.ts";
import type { CollaboratorRow, ReservationRow } from "../store/tables.ts";
import { deletePodTokens } from "../store/tokens.ts";
import { findUserByName } from "../store/users.ts";
import { changeReservation, isFinal, notActive } from "./change.ts";
import type { Core } from "./core.ts";
import type { Caller } from "./people/access.ts";
import { fetchGithubKeys } from "./people/github.ts";
import { ownReservation } from "./people/ownership.ts";
import { decided } from "./race.ts";
import type { Target } from "./versions.ts";

const GITHUB = "github:";
const MAX_COLLABORATORS = 50;

type Newcomer = Omit<CollaboratorRow, "reservation_id" | "added_at"> & { readonly remark: string };

/**
 * Adds and removes; who is there already gets fresh keys. It reaches pods and tunnels within 5 s. Throws Problem not_found, precondition_failed, not_active,
 * not_allowed, invalid_input, unavailable; then nothing is changed.
 */
export async function changeCollaborators(
  core: Core,
  caller: Caller,
  target: Target,
  add: readonly string[],
  remove: readonly string[],
): Promise<void> {
  const row = await core.store.read((db) => ownReservation(db, caller, target.id, target.at));
  // Before the transaction: GitHub is asked over the network.
  const newcomers = await Promise.all(add.map((word) => resolve(core, row, word)));
  await decided(() => core.store.write((tx) => write(tx, caller, target, newcomers, remove)));
  core.signals.emit("wake");
}

async function write(
  tx: Tx,
  caller: Caller,
  { id, at }: Target,
  newcomers: readonly Newcomer[],
  remove: readonly string[],
): Promise<void> {
  const row = await ownReservation(tx.db, caller, id, at);
  if (isFinal(row) || row.state === "ending") throw notActive(row);
  const before = await collaboratorsOf(tx.db, [id]);
  const leaving = remove.map((word) => find(before, word));
  for (const one of leaving) await deleteCollaborator(tx, one);
  // Whoever was in the pod may have kept its token.
  if (leaving.length > 0) await deletePodTokens(tx, id);
  for (const { remark: _, ...one } of newcomers)
    await saveCollaborator(tx, { ...one, reservation_id: id, added_at: tx.at });
  if ((await collaboratorsOf(tx.db, [id])).length > MAX_COLLABORATORS)
    throw invalid("add_users", `a reservation is shared with at most ${MAX_COLLABORATORS}`);
  const detail = [
    ...newcomers.map((one) => `added ${called(one)}${one.remark}`),
    ...leaving.map((one) => `removed ${called(one)}`),
  ].join("; ");
  const set = { keys_stale: 1, next_step_at: tx.at } as const;
  await changeReservation(tx, row, { actor: caller.id }, { type: "collaborators", detail }, set);
}

/** As it is written by who adds or removes one. */
const called = ({ kind, name }: Pick<CollaboratorRow, "kind" | "name">): string =>
  kind === "github" ? GITHUB + name : name;

function find(present: readonly CollaboratorRow[], word: string): CollaboratorRow {
  const account = GITHUB + word.replace(GITHUB, "").toLowerCase();
  const found = present.find((one) => called(one) === word) ?? present.find((one) => called(one) === account);
  if (found) return found;
  const who = present.length === 0 ? "nobody" : present.map(called).join(", ");
  throw invalid("remove_users", `it is not shared with ${JSON.stringify(word)}; it is shared with ${who}`);
}

async function resolve(core: Core, row: ReservationRow, word: string): Promise<Newcomer> {
  const user = word.startsWith(GITHUB) ? undefined : await core.store.read((db) => findUserByName(db, word));
  if (user?.id === row.owner_id) throw invalid("add_users", `${word} is its owner`);
  if (core.driver.isolation === "processes" && user?.role !== "admin") throw oneTrustDomain(word);
  if (user) return { kind: "user", name: user.name, user_id: user.id, public_keys: "", remark: "" };
  const name = word.replace(GITHUB, "").toLowerCase();
  const fault = githubNameFault(name);
  if (fault !== undefined)
    throw invalid(
      "add_users",
      `${JSON.stringify(word)} is no user here and cannot be a GitHub name: ${fault}`,
    );
  const { lines, refused } = await fetchGithubKeys(core, name);
  const keys = `${lines.length} ${lines.length === 1 ? "key" : "keys"}`;
  const remark = ` (${[keys, ...refused.map((why) => `refused ${why}`)].join("; ")})`;
  return { kind: "github", name, user_id: null, public_keys: lines.join("\n"), remark };
}

const oneTrustDomain = (word: string): Problem =>
  new Problem(
    "not_allowed",
    `${word} cannot come in: this server runs pods as plain processes, which are one trust domain for administrators only`,
    { hint: "run the server as root on Linux, so that it can keep pods apart" },
  );

const invalid = (field: string, detail: string): Problem =>
  new Problem("invalid_input", `${field}: ${detail}`, { errors: [{ field, code: "invalid", detail }] });
