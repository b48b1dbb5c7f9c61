import { describe, expect, test } from "vitest";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const URL = "https://u:pw@ci.test:8443/hook?key=k3y";
const told = (last_error: string | null = null) =>
  reservation({ webhook: { url: URL, secret: "whsec_x", last_error } });

const world = (now = told()) =>
  createWorld({
    handlers: {
      createReservation: () => now,
      getReservation: () => now,
      listReservations: () => page(now),
      patchReservation: () => now,
      listEvents: () => page(),
      getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
    },
  });
type World = ReturnType<typeof world>;
const bodyOf = (w: World, route: string) => w.server.requests.find((r) => r.route === route)?.body;

describe("webhooks", () => {
  test("reserve and edit send the URL as it was typed, and none as null", async () => {
    const w = world();
    const line = ["reserve", "--gpu-type", "h100", "--time", "1h", "--no-wait", "--webhook", URL];
    expect((await w.gpuDev(line)).code).toBe(0);
    expect(bodyOf(w, "createReservation")).toMatchObject({ webhook: URL });
    for (const [word, webhook] of [
      [URL, URL],
      ["none", null],
    ] as const) {
      const edited = world();
      const done = await edited.gpuDev(["edit", "hello", "--webhook", word, "--extend", "1h"]);
      expect([done.code, done.stderr]).toEqual([0, expect.stringContaining("Changed hello")]);
      expect(bodyOf(edited, "patchReservation")).toEqual({ webhook, extend_s: 3600 });
    }
  });

  test.each(["ci.test/hook", "ftp://ci.test/", "", "http://", "none"])(
    "C-10 reserve --webhook %j is refused before anything is sent",
    async (given) => {
      const w = world();
      const done = await w.gpuDev(["reserve", "--gpu-type", "h100", "--webhook", given]);
      expect([done.code, w.server.requests]).toEqual([2, []]);
      expect(done.stderr).toContain(`${JSON.stringify(given)} is not an http or https URL`);
      expect(done.stderr).toContain("such as https://ci.example.org/gpu-dev");
    },
  );

  test("show names the host and what went wrong; the rest of the URL and the secret are for --json", async () => {
    const shown = await world(told("it answered with status 503")).gpuDev("show hello");
    expect(shown.stdout).toMatch(
      /^webhook\tci\.test:8443 \(the last post failed: it answered with status 503\)$/m,
    );
    for (const secret of ["k3y", "pw", "whsec"]) expect(shown.stdout).not.toContain(secret);
    expect((await world().gpuDev("show hello")).stdout).toMatch(/^webhook\tci\.test:8443$/m);
    const { webhook } = JSON.parse((await world().gpuDev("show hello --json")).stdout);
    expect(webhook).toEqual({ url: URL, secret: "whsec_x", last_error: null });
  });
});
