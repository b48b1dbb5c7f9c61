import { beforeEach, describe, expect, test, vi } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import type { GithubKeys } from "../../src/core/core.ts";
import { cancelReservation, patchReservation } from "../../src/core/edit.ts";
import { listEvents, listReservations } from "../../src/core/listing.ts";
import { admitTunnel } from "../../src/core/people/access.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { registerKey, removeKey } from "../../src/core/people/keys.ts";
import { createUser } from "../../src/core/people/users.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeRunningWorld, type World } from "./world.ts";

/** Well-formed, and too short. */
const RSA_1024 = `ssh-rsa ${Buffer.concat(
  [
    Buffer.from("ssh-rsa"),
    Buffer.from([1, 0, 1]),
    Buffer.concat([Buffer.from([0]), Buffer.alloc(128, 0xff)]),
  ].flatMap((part) => [Buffer.from([0, 0, part.length >> 8, part.length & 255]), part]),
).toString("base64")}`;

describe.each(engines)("collaborators on $engine", ({ create }) => {
  let world: World;
  let accounts: Record<string, string>;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    const database = await fresh();
    accounts = {};
    const githubKeys = async (name: string) => accounts[name];
    world = await makeRunningWorld(database, { parts: { githubKeys } });
  });

  const share = (id: string, add: string[], remove: string[] = [], caller = world.ann) =>
    patchReservation(world.core, caller, id, {
      ...(add.length > 0 ? { add_users: add } : {}),
      ...(remove.length > 0 ? { remove_users: remove } : {}),
    });
  const active = async (given = {}) => {
    const id = await world.reserve(given);
    await world.after(0);
    return id;
  };
  /** The keys that open the pod now. */
  const keysIn = (id: string) => {
    const pod = world.driver.pods.get(`${id}-1`);
    return pod?.updates.findLast((u) => u.authorizedKeys)?.authorizedKeys ?? pod?.spec.authorizedKeys;
  };
  const keysOf = async (userId: string) =>
    (await world.rows("ssh_keys")).filter((k) => k.user_id === userId).map((k) => k.public_key);
  const key = () => newKeyPair().publicKey;

  test("A-02 T-08 a user who is added sees it and gets in, and changes nothing", async () => {
    const id = await active({ name: "train" });
    const { token } = await issueToken(world.core, world.bob.id, { label: "laptop" });
    const target = { reservation: id, node: 0, port: 22 };
    await expect(world.show(id, world.bob)).rejects.toMatchObject({ code: "not_found" });
    await expect(admitTunnel(world.core, token, target)).rejects.toMatchObject({ code: "not_found" });

    const shared = await share(id, ["bob"]);
    expect(shared).toMatchObject({
      access: "owner",
      collaborators: [{ kind: "user", name: "bob", keys: null }],
    });
    expect(await world.show(id, world.bob)).toMatchObject({
      access: "collaborator",
      owner: "ann",
      name: "train",
    });
    expect((await listReservations(world.core, world.bob, {})).items.map((r) => r.id)).toEqual([id]);
    expect((await listEvents(world.core, world.bob, id)).items.at(-1)).toMatchObject({
      type: "collaborators",
      detail: "added bob",
    });
    const admission = await admitTunnel(world.core, token, target);
    expect(admission).toMatchObject({ userId: world.bob.id, reservationId: id });

    for (const change of [
      () => cancelReservation(world.core, world.bob, id),
      () => patchReservation(world.core, world.bob, id, { extend_s: 60 }),
      () => patchReservation(world.core, world.bob, id, { name: "mine" }),
      () => share(id, ["cem"], [], world.bob),
    ])
      await expect(change()).rejects.toMatchObject({ code: "not_allowed" });

    await share(id, [], ["bob"]);
    expect(await admission.recheck()).toMatchObject({ code: "not_found" });
    await expect(world.show(id, world.bob)).rejects.toMatchObject({ code: "not_found" });
    expect((await listReservations(world.core, world.bob, {})).items).toEqual([]);
  });

  test("T-08 keys of collaborators are in the pod at its launch, or as soon as they are added, until they are removed", async () => {
    const [own, bobs] = [await keysOf(world.ann.id), await keysOf(world.bob.id)];
    const [running, waiting] = [await active({ gpu_count: 8 }), await world.reserve({ gpu_count: 8 })];
    await share(running, ["bob"]);
    await share(waiting, ["bob"]);
    // Within the second in which servers look again, without the clock being moved.
    await world.after(0);
    expect(keysIn(running)).toEqual([...bobs, ...own]);
    await share(running, [], ["bob"]);
    await world.after(0);
    expect(keysIn(running)).toEqual(own);
    expect(await world.show(running)).toMatchObject({ state: "active", last_error: null });
    await cancelReservation(world.core, world.ann, running);
    await world.after(0);
    expect(world.driver.pods.get(`${waiting}-1`)?.spec.authorizedKeys.slice(0, 2)).toEqual([...bobs, ...own]);
    expect(keysIn(waiting)).toEqual([...bobs, ...own]);
  });

  test("X-04 an account of GitHub is added with its keys, and refused lines are named", async () => {
    const [one, two] = [key(), key()];
    accounts.octocat = `${one}\n\ncommand="id" ${two}\n${RSA_1024}\n${two} a comment\n${one}\n`;
    const id = await active();
    const shared = await share(id, ["github:OctoCat"]);
    expect(shared.collaborators).toEqual([{ kind: "github", name: "octocat", keys: 2 }]);
    await world.after(0);
    expect(keysIn(id)).toEqual(expect.arrayContaining([one, two]));
    const { items } = await listEvents(world.core, world.ann, id);
    expect(items.at(-1)?.detail).toMatch(
      /^added github:octocat \(2 keys; refused line 3: options before the key are not accepted; refused line 4: the rsa key has 1024 bits; 2048 are the least\)$/,
    );
    const audited = (await world.rows("audit")).find((a) => a.action === "reservation.collaborators");
    expect(audited).toMatchObject({ actor: world.ann.id, subject: id, detail: items.at(-1)?.detail });

    accounts.octocat = two;
    expect((await share(id, ["octocat"])).collaborators).toEqual([
      { kind: "github", name: "octocat", keys: 1 },
    ]);
    await share(id, [], ["OctoCat"]);
    await world.after(0);
    expect(keysIn(id)).toEqual(await keysOf(world.ann.id));
  });

  test("C-10 a name that no user has is GitHub's; what can be neither is refused, and nothing is changed", async () => {
    accounts.bob = key();
    accounts.empty = "\n";
    accounts.weak = RSA_1024;
    const id = await active();
    const before = await world.show(id);
    const refused: [string, RegExp][] = [
      ["nobody", /no user here and no account/],
      ["-x", /cannot be a GitHub name: "-" stands neither/],
      ["a--b", /"-" stands neither/],
      ["a_b", /"_" is not allowed/],
      ["x".repeat(40), /40 characters are too many/],
      ["empty", /has published no ssh key/],
      ["weak", /no key is accepted: line 1: /],
      ["ann", /is its owner/],
    ];
    for (const [word, why] of refused)
      await expect(share(id, ["bob", word]), word).rejects.toMatchObject({
        code: "invalid_input",
        message: expect.stringMatching(why),
      });
    await expect(share(id, ["bob"], ["cem"])).rejects.toThrow(
      'it is not shared with "cem"; it is shared with nobody',
    );
    expect(await world.show(id)).toEqual(before);
    const both = await share(id, ["bob", "github:bob"]);
    expect(both.collaborators.map((c) => c.kind)).toEqual(["github", "user"]);
    await expect(share(id, [], ["cem"])).rejects.toThrow("it is shared with github:bob, bob");
    expect((await share(id, [], ["bob"])).collaborators).toEqual([{ kind: "github", name: "bob", keys: 1 }]);
  });

  test("a GitHub that does not answer is said, and changes nothing; a server may do without it", async () => {
    const id = await active();
    const asking = (githubKeys: GithubKeys | undefined) =>
      patchReservation({ ...world.core, githubKeys }, world.ann, id, { add_users: ["octocat"] });
    const silent = () => Promise.reject(new Problem("unavailable", "no answer within 5 s"));
    await expect(asking(silent)).rejects.toMatchObject({ code: "unavailable" });
    await expect(asking(undefined)).rejects.toThrow("this server does not ask GitHub");
    expect((await world.show(id)).collaborators).toEqual([]);
  });

  test("a key that an owner or a collaborator registers reaches the pods that run", async () => {
    const id = await active();
    await share(id, ["bob"]);
    const [anns, bobs] = [key(), key()];
    await registerKey(world.core, world.ann, { public_key: anns });
    await registerKey(world.core, world.bob, { public_key: bobs });
    await registerKey(world.core, world.bob, { public_key: bobs });
    await world.after(0);
    expect(keysIn(id)).toEqual(expect.arrayContaining([anns, bobs]));
    const { items } = await listEvents(world.core, world.ann, id);
    const told = items.filter((e) => e.type === "keys").map((e) => e.detail?.replace(/SHA256:\S+/, "…"));
    expect(told).toEqual(["added … of ann", "added … of bob"]);
  });

  test("a key that is removed leaves the pods that run; another's is not found", async () => {
    const id = await active();
    const mine = key();
    const { body } = await registerKey(world.core, world.ann, { public_key: mine });
    await world.after(0);
    expect(keysIn(id)).toContain(mine);
    await expect(removeKey(world.core, world.bob, body.id)).rejects.toMatchObject({ code: "not_found" });
    expect(await removeKey(world.core, world.ann, body.id)).toEqual(body);
    await world.after(0);
    expect(keysIn(id)).not.toContain(mine);
    const { items } = await listEvents(world.core, world.ann, id);
    expect(items.at(-1)).toMatchObject({ type: "keys", detail: `removed ${body.fingerprint} of ann` });
    await expect(removeKey(world.core, world.ann, body.id)).rejects.toMatchObject({ code: "not_found" });
  });

  test("a pod that cannot be told is asked again until it knows", async () => {
    const id = await active();
    world.driver.faults.set("update", new DriverError("not now"));
    await share(id, ["bob"]);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "active",
      last_error: "the pod could not be told who may log in: not now",
    });
    world.driver.faults.clear();
    await world.after(2000);
    expect(keysIn(id)).toEqual(expect.arrayContaining(await keysOf(world.bob.id)));
    expect((await world.show(id)).last_error).toBeNull();
  });

  test("L-02 one who is removed while the pod is being told of him does not stay in it", async () => {
    const id = await active();
    world.driver.before = async (verb) => {
      if (verb !== "update") return;
      world.driver.before = undefined;
      await share(id, [], ["bob"]);
    };
    await share(id, ["bob"]);
    await vi.waitFor(() => expect(world.driver.before).toBeUndefined(), 10_000);
    await world.after(0);
    expect(keysIn(id)).toEqual(await keysOf(world.ann.id));
  });

  test("A-18 what is shared is listed with the own ones, filtered and paged as they are", async () => {
    const mine = [
      await world.reserve({ gpu_type: "cpu" }, world.bob),
      await world.reserve({ gpu_type: "cpu" }, world.bob),
    ];
    const shared = [await world.reserve({ name: "train" }), await world.reserve()];
    for (const id of shared) await share(id, ["bob"]);
    const pages: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await listReservations(world.core, world.bob, { limit: 1, cursor });
      pages.push(...page.items.map((r) => r.id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    expect(pages).toEqual([...mine, ...shared].toReversed());
    const named = await listReservations(world.core, world.bob, { name: "train" });
    expect(named.items.map((r) => r.id)).toEqual([shared[0]]);
    const ended = await listReservations(world.core, world.bob, { state: "expired" });
    expect(ended.items).toEqual([]);
  });

  test("what is over is not shared any more, and plain processes are for administrators", async () => {
    const id = await active();
    world.driver.isolation = "processes";
    await createUser(world.core, "root", "admin");
    await expect(share(id, ["bob"])).rejects.toMatchObject({ code: "not_allowed" });
    await expect(share(id, ["github:octocat"])).rejects.toMatchObject({ code: "not_allowed" });
    expect((await share(id, ["root"])).collaborators).toHaveLength(1);
    await cancelReservation(world.core, world.ann, id);
    await world.after(0);
    await expect(share(id, [], ["root"])).rejects.toMatchObject({ code: "not_active" });
  });
});
