import { beforeEach, describe, expect, test } from "vitest";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

describe.each(engines)("a server that cannot keep pods apart any more on $engine", ({ create }) => {
  const fresh = freshDatabases(create);
  let world: World;
  beforeEach(async () => {
    world = await makeWorld(await fresh());
  });

  test("X-09 launches what only administrators come into, and fails the others with the reason", async () => {
    const mine = await world.reserve({}, world.ann);
    const his = await world.reserve({}, world.bob);
    const shared = await world.reserve({}, world.ann);
    await world.core.store.write(({ db, at }) =>
      db
        .insertInto("collaborators")
        .values({
          reservation_id: shared,
          kind: "github",
          name: "somebody",
          user_id: null,
          public_keys: "",
          added_at: at,
        })
        .execute(),
    );
    world.driver.isolation = "processes";
    world.reconciler.start();
    await world.reconciler.idle();
    expect((await world.show(mine)).state).toBe("active");
    for (const [id, owner] of [
      [his, world.bob],
      [shared, world.ann],
    ] as const)
      expect(await world.show(id, owner)).toMatchObject({
        state: "failed",
        reason: expect.stringContaining("one trust domain for administrators only"),
      });
  });
});
