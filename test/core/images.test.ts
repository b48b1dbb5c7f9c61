/** What a reservation runs: what may be asked for, whose logins go with it, and what is said while it comes. */
import { describe, expect, test } from "vitest";
import type { Problem } from "../../src/api/errors.ts";
import type { ImageSettings } from "../../src/core/core.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import {
  listRegistryLogins,
  removeRegistryLogin,
  setRegistryLogin,
} from "../../src/core/images/registry-logins.ts";
import { changeUser } from "../../src/core/people/users.ts";
import { DriverError } from "../../src/drivers/driver.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { createFakeDriver } from "../helpers/fake-driver.ts";
import { openImages } from "../helpers/fake-images.ts";
import { makeWorld, type World } from "./world.ts";

const PASSWORD = "a-password-of-nobody";
const LOGIN = { host: "registry.test", username: "ann", password: PASSWORD };
const refusal = (work: Promise<unknown>): Promise<Problem> =>
  work.then(
    () => Promise.reject(new Error("it was not refused")),
    (error: Problem) => error,
  );
/** Nothing is built here, so that no directory is ever made. */
const imagesWorld = async (
  database: Awaited<ReturnType<(typeof engines)[number]["create"]>>,
  given: Partial<ImageSettings> = {},
) => {
  const { images, remove } = openImages(given);
  remove();
  const world = await makeWorld(database, { parts: { settings: { domain: "gpu.test", images } } });
  world.reconciler.start();
  return world;
};
const specOf = (world: World) => [...world.driver.pods.values()][0]?.spec;

describe.each(engines)("images on $engine", ({ create }) => {
  const fresh = freshDatabases(create);

  test("a driver without images refuses them, with what to do", async () => {
    const { builtImages: _, ...plain } = createFakeDriver();
    const { images } = openImages();
    const world = await makeWorld(await fresh(), {
      driver: plain,
      parts: { settings: { domain: "gpu.test", images } },
    });
    for (const input of [
      { image: "ubuntu:24.04" },
      { entrypoint: "keep" as const },
      { build: "a".repeat(20) },
    ]) {
      const { code, message } = await refusal(world.reserve(input));
      expect({ code, message }).toMatchObject({
        code: "impossible_request",
        message: expect.stringContaining("no image can be chosen here"),
      });
    }
    expect((await refusal(setRegistryLogin(world.core, world.ann, LOGIN))).code).toBe("impossible_request");
  });

  test("the image and its owner's login for its registry alone go to the driver", async () => {
    const world = await imagesWorld(await fresh());
    await setRegistryLogin(world.core, world.ann, LOGIN);
    await setRegistryLogin(world.core, world.ann, { ...LOGIN, host: "other.test" });
    await setRegistryLogin(world.core, world.bob, { ...LOGIN, username: "bob" });
    const id = await world.reserve({ image: "registry.test/team/image:1", entrypoint: "keep" });
    await world.after(0);
    expect(specOf(world)).toMatchObject({
      image: { ref: "registry.test/team/image:1" },
      keepEntrypoint: true,
    });
    expect(specOf(world)?.registryLogins).toEqual({
      "registry.test": { username: "ann", password: PASSWORD },
    });
    expect(await world.show(id)).toMatchObject({
      state: "active",
      image: "registry.test/team/image:1",
      entrypoint: "keep",
    });
  });

  test("who asks for no image gives no login to the driver", async () => {
    const world = await imagesWorld(await fresh());
    await setRegistryLogin(world.core, world.ann, LOGIN);
    await world.reserve();
    await world.after(0);
    expect(specOf(world)).not.toHaveProperty("registryLogins");
    expect(specOf(world)).not.toHaveProperty("image");
  });

  test("a password is nowhere in the database, nor in a log or an answer", async () => {
    const world = await imagesWorld(await fresh());
    const answered = [
      await setRegistryLogin(world.core, world.ann, LOGIN),
      await listRegistryLogins(world.core, world.ann),
    ];
    const id = await world.reserve({ image: "registry.test/i" });
    await world.after(0);
    const kept = await Promise.all(
      (["registry_logins", "audit", "events", "reservations", "idempotency_keys", "secrets"] as const).map(
        (t) => world.rows(t),
      ),
    );
    expect(kept[0]).toHaveLength(1);
    const shown = await world.show(id);
    expect(JSON.stringify([answered, kept, shown, world.logs])).not.toContain(PASSWORD);
  });

  test("A-02 logins are each user's own", async () => {
    const world = await imagesWorld(await fresh());
    await setRegistryLogin(world.core, world.ann, LOGIN);
    expect((await listRegistryLogins(world.core, world.bob)).items).toEqual([]);
    expect((await refusal(removeRegistryLogin(world.core, world.bob, LOGIN.host))).code).toBe("not_found");
    await setRegistryLogin(world.core, world.ann, { ...LOGIN, username: "ann2" });
    expect((await listRegistryLogins(world.core, world.ann)).items).toMatchObject([{ username: "ann2" }]);
    await removeRegistryLogin(world.core, world.ann, "REGISTRY.test");
    expect((await listRegistryLogins(world.core, world.ann)).items).toEqual([]);
  });

  test("logins go when their user is disabled, and do not come back", async () => {
    const world = await imagesWorld(await fresh());
    await setRegistryLogin(world.core, world.bob, LOGIN);
    await changeUser(world.core, world.ann, world.bob.id, { disabled: true });
    expect(await world.rows("registry_logins")).toEqual([]);
    await changeUser(world.core, world.ann, world.bob.id, { disabled: false });
    expect((await listRegistryLogins(world.core, world.bob)).items).toEqual([]);
  });

  test("L-06 a login under another key fails the reservation with what to do, not the server", async () => {
    const world = await imagesWorld(await fresh());
    await setRegistryLogin(world.core, world.ann, LOGIN);
    // As if one row had been put in the place of another, or secrets.key had been lost.
    await world.core.store.write(({ db }) =>
      db.updateTable("registry_logins").set({ host: "swapped.test" }).execute(),
    );
    const id = await world.reserve({ image: "swapped.test/i" });
    await world.after(0);
    await world.after(0);
    expect(await world.show(id)).toMatchObject({
      state: "failed",
      reason: expect.stringContaining("gpu-dev registry login swapped.test"),
    });
    expect(world.driver.pods.size).toBe(0);
  });

  test("what is not allowed is refused with what is", async () => {
    const world = await imagesWorld(await fresh(), { allow: ["docker.io/pytorch/*", "registry.test/a:1"] });
    for (const image of ["pytorch/pytorch:2.5", "registry.test/a:1"])
      await cancelReservation(world.core, world.ann, await world.reserve({ image }));
    for (const image of [
      "ubuntu",
      "registry.test/a:12",
      "evil.test/docker.io/pytorch/x",
      "registry_test/a:1",
    ]) {
      const { code, hint } = await refusal(world.reserve({ image }));
      expect({ code, hint }).toEqual({
        code: "not_allowed",
        hint: "it allows: docker.io/pytorch/*, registry.test/a:1",
      });
    }
    expect((await refusal(world.reserve({ build: "a".repeat(20) }))).code).toBe("not_allowed");
    await world.after(0);
  });

  test("what was pulled for users is swept, and one host that fails keeps nothing else", async () => {
    const world = await imagesWorld(await fresh());
    let swept = 0;
    const fault = new DriverError("no answer in time");
    Object.assign(world.driver, {
      pulledImages: { removeUnused: () => (++swept === 1 ? Promise.reject(fault) : Promise.resolve()) },
    });
    world.driver.built.add("of-nobody");
    const logged = () =>
      world.logs.map(({ message }) => message).filter((words) => words.includes("pulled images"));
    await world.reconciler.stop();
    world.reconciler.start();
    await world.after(60_000);
    expect(logged()[0]).toBe("pulled images could not be taken away");
    expect([...world.driver.built]).toEqual([]);
    await world.after(60_000);
    expect(logged().at(-1)).toBe("over: pulled images could not be taken away");
  });

  test("L-03 L-11 what the pod waits for is shown while it lasts, within a longer time than without an image", async () => {
    const world = await imagesWorld(await fresh());
    world.driver.launched = { state: "starting", reason: "pulling the image: 1.2G of 4G" };
    const id = await world.reserve({ image: "ubuntu" });
    await world.after(0);
    await world.after(1000);
    expect(await world.show(id)).toMatchObject({
      state: "preparing",
      reason: "pulling the image: 1.2G of 4G",
    });
    await world.after(10 * 60_000);
    expect((await world.show(id)).state).toBe("preparing");
    const pod = [...world.driver.pods.values()][0];
    if (pod) pod.view = { state: "running" };
    await world.after(5000);
    expect(await world.show(id)).toMatchObject({ state: "active", reason: null });
  });

  test("S-03 who waits behind one with an image is told a start that its preparation cannot break", async () => {
    const world = await imagesWorld(await fresh());
    world.driver.launched = { state: "starting", reason: "pulling the image" };
    await world.reserve({ gpu_count: 8, image: "ubuntu" });
    const waiting = await world.reserve({ gpu_count: 8 });
    const { latest_start_at } = await world.show(waiting);
    expect(Date.parse(latest_start_at ?? "") - world.clock.now().getTime()).toBeGreaterThan(
      (3600 + 20 * 60) * 1000,
    );
    // Behind that one in turn, the same holds of what is only planned.
    await world.reserve({ gpu_count: 8, image: "ubuntu" });
    const [last] = [await world.reserve({ gpu_count: 8 })];
    const end = Date.parse((await world.show(last)).latest_start_at ?? "");
    expect(end - Date.parse(latest_start_at ?? "")).toBeGreaterThan((2 * 3600 + 20 * 60) * 1000);
  });
});
