import { createHash } from "node:crypto";
import { beforeEach, describe, expect, test } from "vitest";
import { deploymentId } from "../../src/core/deployment.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { newId } from "../../src/core/ids.ts";
import { admitTunnel, authenticate } from "../../src/core/people/access.ts";
import { ensureFirstAdmin } from "../../src/core/people/first-admin.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { revokeToken } from "../../src/core/people/token-list.ts";
import { createUser } from "../../src/core/people/users.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

describe.each(engines)("access on $engine", ({ create }) => {
  let world: World;
  let token: string;
  let tokenId: string;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh());
    ({ token, id: tokenId } = await issueToken(world.core, world.ann.id, { label: "laptop", ttlS: 3600 }));
  });

  const code = (promise: Promise<unknown>) =>
    promise.then(
      () => "ok",
      (error: { code: string }) => error.code,
    );

  test("X-01 tokens have 256 random bits, are stored as a hash only, expire and are revoked at once", async () => {
    expect(token).toMatch(/^gd_[A-Za-z0-9_-]{43}$/);
    expect(await authenticate(world.core, token)).toMatchObject({ name: "ann", role: "admin", tokenId });
    const stored = JSON.stringify(await world.rows("tokens"));
    expect(stored).not.toContain(token.slice(3));
    expect(stored).toContain(createHash("sha256").update(token).digest("hex"));
    await revokeToken(world.core, world.ann, tokenId);
    await expect(authenticate(world.core, token)).rejects.toMatchObject({
      code: "not_logged_in",
      message: "the token was revoked at 2026-01-05T08:00:00.000Z",
    });
    const other = await issueToken(world.core, world.ann.id, { label: "laptop", ttlS: 60 });
    world.clock.tick(59_999);
    expect(await code(authenticate(world.core, other.token))).toBe("ok");
    world.clock.tick(1);
    await expect(authenticate(world.core, other.token)).rejects.toThrow("the token expired at");
    for (const bad of [undefined, "", "gd_", `gd_${"a".repeat(43)}`, "' or 1=1 --", "gd_".repeat(5000)])
      expect(await code(authenticate(world.core, bad))).toBe("not_logged_in");
  });

  test("the first administrator is made once, and each server has a token of its own", async () => {
    const first = await ensureFirstAdmin(world.core, "root", "one");
    const second = await ensureFirstAdmin(world.core, "root", "two");
    expect(second.userId).toBe(first.userId);
    for (const { token: own } of [first, second])
      expect(await authenticate(world.core, own)).toMatchObject({ name: "root", role: "admin" });
    const user = await ensureFirstAdmin(world.core, "bob", "one");
    expect(await authenticate(world.core, user.token)).toMatchObject({ name: "bob", role: "user" });
    expect(await code(createUser(world.core, "bob", "user"))).toBe("name_taken");
  });

  test("L-12 the deployment's id is made once, also by servers that start at the same time", async () => {
    const ids = await Promise.all([1, 2, 3].map(() => deploymentId(world.core.store)));
    expect(new Set(ids).size).toBe(1);
    expect(await deploymentId(world.core.store)).toBe(ids[0]);
  });

  describe("T-08 tunnels", () => {
    const target = (reservation: string) => ({ reservation, node: 0, port: 22 });
    const admit = (id: string, with_ = token) => admitTunnel(world.core, with_, target(id));

    test("T-08 T-06 only the owner of an active reservation is admitted, each refusal with its own code", async () => {
      world.reconciler.start();
      const id = await world.reserve({ gpu_count: 8 });
      const waiting = await world.reserve({ gpu_count: 8 });
      const theirs = await world.reserve({ gpu_type: "cpu" }, world.bob);
      await world.after(0);
      const admission = await admit(id);
      expect(admission).toMatchObject({ userId: world.ann.id, reservationId: id });
      (await admission.dial()).destroy();
      expect(world.driver.calls.at(-1)).toBe(`dial ${id}-1:22`);
      await expect(admit(waiting)).rejects.toMatchObject({
        code: "not_ready",
        retryAfter: 1,
        message: expect.stringContaining(`reservation ${waiting} is queued: waits for 8 h100: `),
      });
      // ann is an administrator; what is bob's is bob's all the same.
      expect(await code(admit(theirs))).toBe("not_found");
      expect(await code(admit(newId()))).toBe("not_found");
      expect(await code(admitTunnel(world.core, token, { reservation: id, node: 1, port: 22 }))).toBe(
        "not_found",
      );
      expect(await code(admit(id, "gd_wrong"))).toBe("not_logged_in");
      const pod = world.driver.pods.get(`${id}-1`);
      if (pod) pod.view = { state: "dead", reason: "killed" };
      expect(await code(admission.dial())).toBe("pod_unreachable");
    });

    test("T-08 a tunnel is told when its reservation ends, when and why, and at once in this server", async () => {
      world.reconciler.start();
      const id = await world.reserve();
      await world.after(0);
      const admission = await admit(id);
      expect(await admission.recheck()).toBeUndefined();
      const told: [string, string][] = [];
      world.core.signals.on("ended", (which, why) => told.push([which, why.message]));
      await cancelReservation(world.core, world.ann, id);
      const words = `reservation ${id} ended at 2026-01-05T08:00:00.000Z (cancelled): cancelled by its owner`;
      expect(told).toEqual([[id, words]]);
      expect(await admission.recheck()).toMatchObject({ code: "reservation_ended", message: words });
      await world.after(0);
      expect(await code(admit(id))).toBe("reservation_ended");
    });

    test("T-07 T-08 a revoked token ends its tunnels", async () => {
      world.reconciler.start();
      const id = await world.reserve();
      await world.after(0);
      const admission = await admit(id);
      await revokeToken(world.core, world.ann, tokenId);
      expect(await admission.recheck()).toMatchObject({ code: "not_logged_in" });
    });
  });
});
