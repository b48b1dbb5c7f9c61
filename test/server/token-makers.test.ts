/** What becomes of what a token has made, when it is revoked or expires, and what is done at the moment when it does; on both engines. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CreateToken } from "../../src/api/accounts.ts";
import type { RevokeMade } from "../../src/api/made.ts";
import { createReservation } from "../../src/core/create.ts";
import { createDisk } from "../../src/core/disks/requests.ts";
import { authenticate } from "../../src/core/people/access.ts";
import { revokeToken } from "../../src/core/people/token-list.ts";
import { createToken } from "../../src/core/people/tokens.ts";
import { changeUser } from "../../src/core/people/users.ts";
import { engines } from "../helpers/engines.ts";
import { made } from "../helpers/made.ts";
import { type ApiRig, openPeopledRig, type Person } from "./rig.ts";

const DAY_S = 86_400;
const DAY = DAY_S * 1000;

describe.each(engines)("what tokens make on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let root: Person;
  beforeEach(async () => {
    ({ rig, alice, root } = await openPeopledRig(engine));
  });
  afterEach(() => rig.close());

  const make = (who: { token: string }, body: Partial<CreateToken> = {}) =>
    rig.clientFor(who).createToken({ body: { label: "made", ...body } });
  const revoke = (who: Person, { id }: { id: string }, made?: RevokeMade) =>
    who.api.revokeToken({ params: { id }, query: made ? { made } : {} });
  const works = async (...tokens: { token: string }[]): Promise<boolean[]> =>
    Promise.all(tokens.map(async (token) => (await rig.request(token, "/v1/me", {})).status === 200));
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "ok",
      (error: { code?: string; problem?: { code: string } }) => error.code ?? error.problem?.code ?? "?",
    );

  test("X-01 a token that rotates itself leaves 90 days of those before it, and stays one that its maker ends", async () => {
    const maker = await make(root, { scope: "admin", expires_in_s: 366 * DAY_S });
    const line = [await make(maker, { scope: "admin", expires_in_s: 40 * DAY_S })];
    const rotate = async (old = line.at(-1) ?? maker) => {
      rig.clock.tick(30 * DAY);
      line.push(await rig.clientFor(old).rotateToken({ params: { id: old.id } }));
    };
    const idOf = (i: number) => line[i]?.id ?? "";
    await rotate();
    await rotate();
    // That one is kept while this is there.
    await make(line[2] ?? maker, { expires_in_s: 366 * DAY_S });
    for (let i = 0; i < 6; i++) await rotate();
    const left = async () => {
      // The sweep comes at the minute, and takes one of a line at a time.
      for (let i = 0; i < 5; i++) {
        rig.clock.tick(61_000);
        await rig.settle();
      }
      const { items } = await root.api.listTokens({ query: { state: "all" } });
      return line.map(({ id }) => items.find((token) => token.id === id)?.made_with);
    };
    // 240 days are over: what ended in the first 150 is forgotten.
    expect(await left()).toEqual([
      ...[undefined, undefined, maker.id, undefined],
      ...[2, 4, 5, 6, 7].map(idOf),
    ]);
    const live = (await root.api.listTokens({ query: {} })).items.map(({ id }) => id);
    expect(line.filter(({ id }) => live.includes(id))).toHaveLength(2);
    expect((await revoke(root, maker)).also_revoked.own.tokens).toBe(3);
    expect(await works(...line)).toEqual(line.map(() => false));
  });

  test("X-01 with a token goes what it made for its own user, and what that made; with `all` what it made for others", async () => {
    const laptop = await make(root, { scope: "admin" });
    const child = await make(laptop);
    const grandchild = await make(child);
    const { user, token: first } = await rig.clientFor(laptop).createUser({ body: { name: "carol" } });
    const next = await rig.clientFor(laptop).rotateToken({ params: { id: laptop.id } });
    const other = await make(root);
    expect([child.made_by, child.made_with, grandchild.made_with, first.made_by, next.made_with]).toEqual([
      ...[root.id, laptop.id, child.id, root.id, laptop.id],
    ]);
    const ofHers = await rig.clientFor(first).createToken({ body: { label: "hers" } });
    const all = [laptop, child, grandchild, next, other, first, ofHers];
    expect(await works(...all)).toEqual(Array(7).fill(true));
    const left = { ...made(0), others: { tokens: 2, logins: 0, users: 1 } };
    const { made: good } = await root.api.getToken({ params: { id: laptop.id } });
    expect(good).toEqual({ ...left, own: { tokens: 3, logins: 0 } });
    expect(await revoke(root, laptop)).toMatchObject({ state: "revoked", also_revoked: made(3), left });
    expect(await works(...all)).toEqual([false, false, false, false, true, true, true]);
    expect(await revoke(root, laptop)).toMatchObject({ also_revoked: made(0), left });
    expect(await revoke(root, laptop, "all")).toMatchObject({ also_revoked: left, left: made(0) });
    expect(await works(...all)).toEqual([false, false, false, false, true, false, false]);
    const { items } = await root.api.listAudit({ query: { action: "token.revoke" } });
    expect(items).toHaveLength(6);
    expect(items.find(({ subject }) => subject === first.id)?.data).toEqual({
      user_id: user.id,
      made_with: laptop.id,
    });
    expect(await revoke(root, laptop, "all")).toMatchObject({ also_revoked: made(0), left: made(0) });
  });

  test("X-01 of twenty users whom an administrator added none is cut off with the token of an old laptop", async () => {
    const laptop = await make(root, { scope: "admin" });
    const added: { token: string }[] = [];
    for (let i = 0; i < 20; i++)
      added.push((await rig.clientFor(laptop).createUser({ body: { name: `user-${i}` } })).token);
    expect(await revoke(root, laptop)).toMatchObject({ also_revoked: made(0), left: made(0, 0, 20) });
    expect(await works(...added)).toEqual(Array(20).fill(true));
  });

  test("X-01 who is no administrator any more, or asks with a lesser token, cuts off nobody who was added then", async () => {
    const boss = await rig.person("boss", "admin");
    const laptop = await make(boss, { scope: "admin" });
    const lesser = await make(boss);
    const { token: first } = await rig.clientFor(laptop).createUser({ body: { name: "carol" } });
    const asLesser = { ...boss, api: rig.clientFor(lesser) };
    expect(await codeOf(revoke(asLesser, laptop, "all"))).toBe("not_allowed");
    await root.api.patchUser({ params: { id: boss.id }, body: { role: "user" } });
    expect(await codeOf(revoke(boss, laptop, "all"))).toBe("not_allowed");
    expect(await works(laptop, first)).toEqual([true, true]);
    expect(await revoke(boss, laptop)).toMatchObject({ left: made(0, 0, 1) });
    expect(await works(laptop, first)).toEqual([false, true]);
    expect(await codeOf(alice.api.getToken({ params: { id: laptop.id } }))).toBe("not_found");
    expect(await root.api.getToken({ params: { id: laptop.id } })).toMatchObject({ made: made(0, 0, 1) });
  });

  test("X-01 what it made can be kept, and is revoked later all the same", async () => {
    const laptop = await make(root, { scope: "admin" });
    const child = await make(laptop);
    expect(await revoke(root, laptop, "keep")).toMatchObject({
      ...{ state: "revoked", also_revoked: made(0), left: made(1) },
    });
    expect(await works(laptop, child)).toEqual([false, true]);
    expect(await revoke(root, laptop)).toMatchObject({ also_revoked: made(1), left: made(0) });
    expect(await works(child)).toEqual([false]);
  });

  test("X-01 a user's token makes none that is good for longer than itself, an administrator's does", async () => {
    const short = await make(alice, { expires_in_s: 3600 });
    const own = await make(short);
    expect(own.expires_at).toBe(short.expires_at);
    expect((await make(short, { expires_in_s: 3600 })).expires_at).toBe(short.expires_at);
    expect(await codeOf(make(short, { expires_in_s: 3601 }))).toBe("invalid_input");
    // Nor by putting one in the place of another.
    const long = await root.api.createUserToken({ params: { id: alice.id }, body: { label: "ci" } });
    rig.clock.tick(60_000);
    const rotate = (who: { token: string }, { id }: { id: string }) =>
      rig.clientFor(who).rotateToken({ params: { id } });
    expect((await rotate(short, long)).expires_at).toBe(short.expires_at);
    expect((await rotate(own, own)).expires_at).toBe(short.expires_at);
    const renewed = await rotate(short, short);
    expect(Date.parse(renewed.expires_at ?? "")).toBe(Date.parse(short.expires_at ?? "") + 60_000);
    const brief = await make(root, { scope: "admin", expires_in_s: 60 });
    const lasting = await make(brief);
    rig.clock.tick(60_000);
    expect(await works(brief, lasting)).toEqual([false, true]);
  });

  test("X-01 tokens that are good for nothing are kept for 90 days, and those of which something is left with that", async () => {
    const [gone, parent] = [await make(root), await make(root, { scope: "admin", expires_in_s: 60 })];
    const child = await make(parent, { expires_in_s: 200 * 86_400 });
    await revoke(root, gone);
    const listed = async (): Promise<string[]> =>
      (await root.api.listTokens({ query: { state: "all" } })).items.map(({ id }) => id);
    rig.clock.tick(90 * DAY);
    await rig.settle();
    expect(await listed()).toEqual(expect.arrayContaining([gone.id, parent.id, child.id]));
    rig.clock.tick(60_001);
    await rig.settle();
    const left = await listed();
    expect([gone, parent, child].map(({ id }) => left.includes(id))).toEqual([false, true, true]);
    // Still: what it made can be revoked with it.
    expect(await revoke(root, parent)).toMatchObject({ also_revoked: made(1) });
    rig.clock.tick(91 * DAY);
    await rig.settle();
    rig.clock.tick(60_000);
    await rig.settle();
    expect(await listed()).not.toEqual(expect.arrayContaining([parent.id]));
    expect(await listed()).not.toEqual(expect.arrayContaining([child.id]));
  });

  test("X-01 what was asked for before is not written after: by who was disabled, or whose token was revoked, meanwhile", async () => {
    const { core } = rig;
    const admin = await authenticate(core, root.token);
    const who = await authenticate(core, alice.token);
    const laptop = await authenticate(core, (await make(alice)).token);
    const attempts = (caller: typeof who) => [
      codeOf(createReservation(core, caller, { gpu_type: "h100", duration_s: 3600 })),
      codeOf(createToken(core, caller, { label: "late" }, undefined)),
      codeOf(createDisk(core, caller, { name: "late" })),
    ];
    const refused = Array(3).fill("not_logged_in");
    await revokeToken(core, who, laptop.tokenId);
    expect(await Promise.all(attempts(laptop))).toEqual(refused);
    await changeUser(core, admin, alice.id, { disabled: true, cancel: true });
    expect(await Promise.all(attempts(who))).toEqual(refused);
    const demoted = await rig.person("demoted", "admin");
    const stale = await authenticate(core, demoted.token);
    await changeUser(core, admin, demoted.id, { role: "user" });
    expect(await codeOf(changeUser(core, stale, root.id, { disabled: true }))).toBe("not_allowed");
  });

  test("X-01 of who is disabled with --cancel nothing is left, however many creates are in flight", async () => {
    const { core } = rig;
    const admin = await authenticate(core, root.token);
    const goingOn = ({ id }: Person) =>
      core.store.read((db) =>
        db
          .selectFrom("reservations")
          .select(["id", "state"])
          .where("owner_id", "=", id)
          .where("end_state", "is", null)
          .execute(),
      );
    for (let round = 0; round < 5; round++) {
      const eve = await rig.person(`eve-${round}`);
      const who = await authenticate(core, eve.token);
      const creates = Array.from({ length: 4 }, () =>
        codeOf(createReservation(core, who, { gpu_type: "h100", duration_s: 3600 })),
      );
      const [, ...codes] = await Promise.all([
        changeUser(core, admin, eve.id, { disabled: true, cancel: true }),
        ...creates,
      ]);
      for (const code of codes) expect(["ok", "not_logged_in"]).toContain(code);
      expect(await goingOn(eve)).toEqual([]);
    }
  });

  test("X-01 what is being made with a token at the moment when it is revoked is revoked as well", async () => {
    const { core } = rig;
    for (let round = 0; round < 5; round++) {
      const parent = await make(alice);
      const child = await make(parent);
      const makers = await Promise.all([parent, child].map(({ token }) => authenticate(core, token)));
      const making = makers.flatMap((who) =>
        [1, 2].map((n) => codeOf(createToken(core, who, { label: `racing ${n}` }, undefined))),
      );
      await Promise.all([revoke(alice, parent), ...making]);
      const { items } = await alice.api.listTokens({ query: {} });
      expect(items.map(({ label }) => label)).toEqual(["test"]);
    }
  });
});
