/** What the configuration file says of images, and what a driver makes of it. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DEFAULT_RULES } from "../../src/drivers/docker/images.ts";
import { imageRules } from "../../src/server/config/image-rules.ts";
import { imageSettings } from "../../src/server/config/images.ts";

test("what is not said is as it is without a file", () => {
  const { build, pull } = imageRules(DEFAULT_RULES);
  expect({ build, pull }).toEqual({
    build: { ...DEFAULT_RULES.build, network: undefined },
    pull: DEFAULT_RULES.pull,
  });
});

test("bounds, logins and known registries are the file's", async () => {
  const dir = await mkdtemp(join(tmpdir(), "gpu-dev-rules-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const password_file = join(dir, "password");
  await writeFile(password_file, "secret\n");
  const file = imageSettings.parse({
    allow: ["registry.lan:5000/*", "ghcr.test/team/*", "*/any", "docker.io/a", "plain*"],
    registries: { "with.test": { username: "ann", password_file }, "without.test:5000": {} },
    pull: { time_max: "10m", size_max: "1Gi", free_min: "3Gi", patience: "1m", keep: "2d" },
    build: { pids: 100 },
  });
  const rules = imageRules(DEFAULT_RULES, file);
  expect(await rules.logins()).toEqual({ "with.test": { username: "ann", password: "secret" } });
  expect([...rules.pull.known].toSorted()).toEqual(
    ["docker.io", "ghcr.test", "registry.lan:5000", "with.test", "without.test:5000"].toSorted(),
  );
  const { known: _, ...bounds } = rules.pull;
  expect(bounds).toEqual({
    timeMaxS: 600,
    sizeMax: 2 ** 30,
    freeMin: 3 * 2 ** 30,
    patienceS: 60,
    keepS: 172_800,
  });
  expect(rules.build.pids).toBe(100);
  expect(imageSettings.safeParse({ registries: { "a.test": { username: "ann" } } }).success).toBe(false);
});
