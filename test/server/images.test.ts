/** Contexts and logins over the API: whose they are, and how much of them is taken. */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ProblemDocument } from "../../src/api/errors.ts";
import { engines } from "../helpers/engines.ts";
import { announced, type Entry, tarOf } from "./build-context.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

const PART = 2 ** 20;

describe.each(engines)("images over the API on $engine", (engine) => {
  let rig: ApiRig;
  let ann: Person;
  let bob: Person;
  beforeEach(async () => {
    rig = await openRig(engine);
    [ann, bob] = await Promise.all([rig.person("ann"), rig.person("bob")]);
  });
  afterEach(() => rig.close());

  const code = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => "ok",
      (error: { problem?: ProblemDocument; code?: string }) =>
        error.problem?.code ?? error.code ?? String(error),
    );
  async function send(who: Person, bytes: Buffer): Promise<string> {
    const { id } = await who.api.createBuild({ body: announced(bytes) });
    for (let at = 0; at < bytes.length; at += PART)
      await who.api.uploadContext({
        params: { id },
        query: { offset: String(at) },
        body: new Uint8Array(bytes.subarray(at, at + PART)),
      });
    return id;
  }

  test("a context comes in parts, each any number of times, and its image is reserved", async () => {
    const bytes = await tarOf([
      { name: "Dockerfile", text: "FROM x" },
      { name: "data", text: "x".repeat(3 * PART) },
    ]);
    const { id, received } = await ann.api.createBuild({ body: announced(bytes) });
    expect(received).toBe(0);
    const upload = (offset: number, length = PART) =>
      ann.api.uploadContext({
        params: { id },
        query: { offset: String(offset) },
        body: new Uint8Array(bytes.subarray(offset, offset + length)),
      });
    await upload(0);
    expect((await upload(0)).received).toBe(PART);
    expect(await code(upload(2 * PART))).toBe("conflict");
    expect(
      await code(ann.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, build: id } })),
    ).toBe("not_ready");
    // Announced again, it goes on where it was.
    expect((await ann.api.createBuild({ body: announced(bytes) })).received).toBe(PART);
    await upload(PART);
    await upload(2 * PART);
    expect((await upload(3 * PART)).received).toBe(bytes.length);
    const reservation = await ann.api.createReservation({
      body: { gpu_type: "h100", duration_s: 3600, build: id },
    });
    expect(reservation).toMatchObject({ build_id: id, image: null });
    await rig.settle();
    expect([...rig.driver.pods.values()].map(({ spec }) => spec.image)).toMatchObject([
      { build: { dockerfile: "Dockerfile", key: expect.stringMatching(/^[0-9a-f]{40}$/) } },
    ]);
  });

  /** One of three parts, announced, and what sends each. */
  async function large() {
    const bytes = await tarOf([
      { name: "Dockerfile", text: "FROM x" },
      { name: "data", text: "x".repeat(2 * PART) },
    ]);
    const { id } = await ann.api.createBuild({ body: announced(bytes) });
    const upload = (offset: number) =>
      ann.api.uploadContext({
        params: { id },
        query: { offset: String(offset) },
        body: new Uint8Array(bytes.subarray(offset, offset + PART)),
      });
    return { bytes, id, upload };
  }

  test("a first part that comes again, and late, takes nothing away, also when all is there", async () => {
    const { bytes, id, upload } = await large();
    const contexts = rig.core.settings.images?.contexts;
    for (let at = 0; at < bytes.length; at += PART) {
      await upload(at);
      // As of a request that had looked at the build before any part had come.
      await contexts?.write(id, 0, bytes.subarray(0, PART));
    }
    await contexts?.write(id, 0, Buffer.alloc(PART, "other"));
    expect(readFileSync(contexts?.path(id) ?? "").equals(bytes)).toBe(true);
  });

  test("a context that was taken away while it came is announced again, and sent anew", async () => {
    const { bytes, id, upload } = await large();
    await upload(0);
    await rig.core.settings.images?.contexts.remove(id);
    expect(await code(upload(PART))).toBe("conflict");
    expect((await ann.api.createBuild({ body: announced(bytes) })).received).toBe(0);
    expect(await send(ann, bytes)).toBe(id);
  });

  test("A-02 X-08 somebody else's build is as unknown as none, also to who knows what is in it", async () => {
    const bytes = await tarOf([{ name: "Dockerfile", text: "FROM x" }]);
    const id = await send(ann, bytes);
    const params = { id };
    const body = new Uint8Array(bytes);
    const asked = [
      bob.api.getBuild({ params }),
      bob.api.uploadContext({ params, query: {}, body }),
      bob.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600, build: id } }),
    ];
    expect(await Promise.all(asked.map(code))).toEqual(["not_found", "not_found", "not_found"]);
    // The same contents are another build, with an image of its own.
    const own = await bob.api.createBuild({ body: announced(bytes) });
    expect(own).toMatchObject({ received: 0 });
    expect(own.id).not.toBe(id);
  });

  test.each<[string, readonly Entry[], RegExp]>([
    ["leads up", [{ name: "../../etc/passwd", text: "x" }], /leads out of it/],
    ["is absolute", [{ name: "/etc/passwd", text: "x" }], /leads out of it/],
    ["is a device", [{ name: "null", type: "character-device" }], /not a file, directory or symbolic link/],
    ["is a hard link", [{ name: "link", type: "link", linkname: "/etc/passwd" }], /not a file/],
    [
      "is there twice",
      [
        { name: "Dockerfile", text: "FROM x" },
        { name: "./Dockerfile", text: "FROM y" },
      ],
      /is in it twice/,
    ],
    [
      "goes through a link",
      [
        { name: "there/Dockerfile", text: "FROM x" },
        { name: "there", type: "symlink", linkname: "elsewhere" },
      ],
      /beneath what is no directory/,
    ],
  ])(
    "X-08 a context with an entry that %s is refused, and nothing of it stays",
    async (_what, entries, words) => {
      const bytes = await tarOf(entries);
      await expect(send(ann, bytes)).rejects.toThrow(words);
      expect(await code(ann.api.getBuild({ params: { id: "a".repeat(20) } }))).toBe("not_found");
      expect(await rig.core.settings.images?.contexts.list()).toEqual([]);
    },
  );

  test("X-08 what is not what was announced, or no tar file, is refused", async () => {
    const bytes = await tarOf([{ name: "Dockerfile", text: "FROM x" }]);
    const other = { ...announced(bytes), digest: "0".repeat(64) };
    const { id } = await ann.api.createBuild({ body: other });
    await expect(
      ann.api.uploadContext({ params: { id }, query: {}, body: new Uint8Array(bytes) }),
    ).rejects.toThrow(/it has the SHA-256/);
    await expect(send(ann, Buffer.alloc(4096, "x"))).rejects.toThrow(/no tar file/);
    expect(await code(ann.api.createBuild({ body: { ...other, dockerfile: "../Dockerfile" } }))).toBe(
      "invalid_input",
    );
  });

  test("X-07 X-08 more than is allowed is refused before it is sent, and more than was announced after", async () => {
    const small = announced(Buffer.alloc(1024));
    expect(await code(ann.api.createBuild({ body: { ...small, bytes: 9 * PART } }))).toBe("invalid_input");
    const { id } = await ann.api.createBuild({ body: small });
    const upload = (body: Uint8Array<ArrayBuffer>) =>
      ann.api.uploadContext({ params: { id }, query: {}, body });
    expect(await code(upload(new Uint8Array(1025)))).toBe("invalid_input");
    expect(await code(upload(new Uint8Array(PART + 1)))).toBe("body_too_large");
    // Of all that waits, as much as two of the largest.
    await ann.api.createBuild({ body: { ...small, digest: "1".repeat(64), bytes: 8 * PART } });
    expect(
      await code(ann.api.createBuild({ body: { ...small, digest: "2".repeat(64), bytes: 8 * PART } })),
    ).toBe("over_quota");
    expect(
      await code(bob.api.createBuild({ body: { ...small, digest: "2".repeat(64), bytes: 8 * PART } })),
    ).toBe("ok");
  });

  test("X-07 a part without an end, and one of another type, are refused", async () => {
    const { id } = await ann.api.createBuild({ body: announced(Buffer.alloc(1024)) });
    let sent = 0;
    const endless = new ReadableStream({
      pull(controller) {
        sent += 65_536;
        controller.enqueue(new Uint8Array(65_536));
      },
    });
    const post = (body: string | ReadableStream, type: string) =>
      rig.request(ann, `/v1/builds/${id}/context`, {
        method: "POST",
        body,
        headers: { "content-type": type },
        duplex: "half",
      } as RequestInit);
    const refused = await post(endless, "application/x-tar");
    expect([refused.status, ((await refused.json()) as ProblemDocument).code]).toEqual([
      413,
      "body_too_large",
    ]);
    expect(sent).toBeLessThan(2 * PART);
    expect((await post("{}", "application/json")).status).toBe(415);
  });

  test("a context goes when it is built, and a built image when nobody reserves with it", async () => {
    const bytes = await tarOf([{ name: "Dockerfile", text: "FROM x" }]);
    const id = await send(ann, bytes);
    const { id: reservation } = await ann.api.createReservation({
      body: { gpu_type: "h100", duration_s: 3600, build: id },
    });
    await rig.settle();
    const image = [...rig.driver.pods.values()][0]?.spec.image;
    const key = image && "build" in image ? image.build.key : "";
    rig.driver.built.add(key).add("0".repeat(40));
    const contexts = rig.core.settings.images?.contexts;
    expect(await contexts?.list()).toEqual([id]);
    rig.clock.tick(11 * 60_000);
    await rig.settle();
    expect(await contexts?.list()).toEqual([]);
    // One that no row names goes, too.
    expect([...rig.driver.built]).toEqual([key]);
    // It is there: nothing has to be sent for it again.
    expect((await ann.api.createBuild({ body: announced(bytes) })).received).toBe(bytes.length);
    await ann.api.cancelReservation({ params: { id: reservation } });
    await rig.settle();
    expect(await ann.api.getReservation({ params: { id: reservation } })).toMatchObject({
      state: "cancelled",
    });
    rig.clock.tick(15 * 86_400_000);
    await rig.settle();
    expect([...rig.driver.built]).toEqual([]);
    expect((await ann.api.createBuild({ body: announced(bytes) })).received).toBe(0);
  });

  test("C-21 O-04 a password is in no log, and in no answer", async () => {
    const password = "a-password-of-nobody";
    await ann.api.setRegistry({ body: { host: "GHCR.io", username: "ann", password } });
    expect((await ann.api.listRegistries({})).items).toMatchObject([{ host: "ghcr.io", username: "ann" }]);
    const bad = { host: "ghcr.io", username: "ann", password, other: password };
    const refused = await rig.request(ann, "/v1/registries", {
      method: "POST",
      body: JSON.stringify(bad),
      headers: { "content-type": "application/json" },
    });
    expect(await refused.text()).not.toContain(password);
    await ann.api.removeRegistry({ params: { host: "ghcr.io" } });
    expect(await code(ann.api.removeRegistry({ params: { host: "ghcr.io" } }))).toBe("not_found");
    expect(rig.log.join("\n")).not.toContain(password);
  });
});
