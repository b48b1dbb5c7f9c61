/** One of each thing that somebody can have, made over the API, so that a drawn request has something to name. */
import { randomUUID } from "node:crypto";
import type { Client } from "../../src/api/client.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { announced, tarOf } from "./build-context.ts";

/** Ids and names, by the word in the paths for what they name; `names` are those of users. */
const KINDS = [
  ...(["builds", "disk-operations", "disks", "identities", "keys", "logins", "names", "nodes"] as const),
  ...(["registries", "reservations", "snapshots", "teams", "tokens", "users"] as const),
] as const;
export type Kind = (typeof KINDS)[number];
export type Own = Readonly<Record<Kind, string>>;

/** What happens beside requests. */
export interface World {
  readonly admin: Client;
  /** Lets the server do all that is due. */
  settle(): Promise<void>;
  /** Until a login that was begun may be asked about. */
  passLogin(): void;
  /** The pod of this reservation says these words. */
  say(reservationId: string, words: string): void;
}

/** In no answer to anybody. */
export const PASSWORD = "password-of-nobody";

/** Names and words of what is made have `word` in them, but for those that a request of others may name and be told again. */
export async function furnish(world: World, api: Client, word: string, who: string): Promise<Own> {
  const some = randomUUID().slice(0, 8);
  const name = `${word}-${some}`;
  const disk = await api.createDisk({ body: { name, size_bytes: 2 ** 24 } });
  await world.settle();
  const snapshot = await api.createSnapshot({ params: { id: disk.disk_id }, body: { note: word } });
  await world.settle();
  const reservation = await api.createReservation({ body: { gpu_type: "h100", duration_s: 36_000, name } });
  await world.settle();
  world.say(reservation.id, word);
  const registry = await api.setRegistry({
    body: { host: `${who}.registry.test`, username: word, password: PASSWORD },
  });
  return {
    disks: disk.disk_id,
    "disk-operations": disk.id,
    snapshots: snapshot.snapshot_id ?? "",
    reservations: reservation.id,
    registries: registry.host,
    builds: await buildOf(api, word),
    keys: (await api.createKey({ body: { public_key: `${newKeyPair().publicKey} ${word}` } })).id,
    tokens: (await api.createToken({ body: { label: word } })).id,
    identities: await linked(world, api),
    logins: (await api.beginLogin({ body: { with: "oidc" } })).login,
    nodes: "node-1",
    ...(await underAdmin(world.admin, some)),
  };
}

/** A context that was sent as a whole. */
async function buildOf(api: Client, word: string): Promise<string> {
  const bytes = await tarOf([{ name: word, text: "FROM x" }]);
  const { id } = await api.createBuild({ body: announced(bytes, word) });
  await api.uploadContext({ params: { id }, query: {}, body: bytes });
  return id;
}

/** A user has few of these: the last one makes room. */
async function linked(world: World, api: Client): Promise<string> {
  for (const { id } of (await api.listIdentities({})).items)
    await api.unlinkIdentity({ params: { id }, query: {} });
  const { login } = await api.beginLogin({ body: { with: "oidc" } });
  world.passLogin();
  const result = await api.linkIdentity({ body: { login } });
  if (result.state === "pending") throw new Error("the login is not over");
  return result.identity.id;
}

/** A user and a team with a quota, which an administrator may do anything to. */
async function underAdmin(admin: Client, some: string): Promise<Pick<Own, "users" | "names" | "teams">> {
  const { user } = await admin.createUser({ body: { name: `guest-${some}` } });
  const team = await admin.createTeam({ body: { name: `team-${some}` } });
  await admin.addMember({ params: { team: team.name }, body: { user: user.name } });
  await admin.setQuota({ body: { team: team.name, gpus: 100 } });
  return { users: user.id, names: user.name, teams: team.name };
}
