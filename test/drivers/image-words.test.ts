/** What engines say while they pull, and when they cannot, in words for users. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { BuildLog } from "../../src/drivers/docker/build-log.ts";
import { imageFault } from "../../src/drivers/docker/image-faults.ts";
import { progressOf } from "../../src/drivers/docker/pull.ts";
import { requireOutside } from "../../src/drivers/docker/registry-guard.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";

test.each([
  [
    "manifest for r.test/a:2 not found: manifest unknown: manifest unknown",
    "LaunchRefused",
    "there is no image",
  ],
  [
    "pull access denied for a, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
    "LaunchRefused",
    "no access to the image",
  ],
  [
    'Head "https://r.test/v2/a/manifests/1": no basic auth credentials',
    "LaunchRefused",
    "no access to the image",
  ],
  ['Get "https://r.test/v2/": unauthorized: incorrect username or password', "LaunchRefused", "no access"],
  ["no matching manifest for linux/amd64 in the manifest list entries", "LaunchRefused", "another platform"],
  [
    "failed to register layer: write /big: no space left on device",
    "LaunchRefused",
    "not enough space for the image",
  ],
  [
    'Get "https://r.test/v2/": dial tcp: lookup r.test: no such host',
    "LaunchRefused",
    "there is no registry",
  ],
  [
    'Get "https://r.test/v2/": dial tcp: lookup r.test: server misbehaving',
    "DriverError",
    "cannot be reached",
  ],
  [
    'Get "https://r.test/v2/": x509: certificate signed by unknown authority',
    "DriverError",
    "cannot be reached",
  ],
  ["received unexpected content from the registry", "DriverError", "the image r.test/a:1 cannot be had"],
  ["toomanyrequests: You have reached your pull rate limit", "DriverError", "takes no more requests"],
  ["received unexpected HTTP status: 503 Service Unavailable", "DriverError", "cannot be reached"],
])("L-11 %s is %s", (said, name, words) => {
  const fault = imageFault("r.test/a:1", "r.test", said);
  expect(fault.name).toBe(name);
  expect(fault.message).toContain(words);
  expect(fault.message).toContain(said.slice(0, 40));
});

test("L-11 a login that a registry does not take is told as such, and what keeps another", () => {
  const ann = { username: "ann", password: "wrong" };
  const words = (login?: typeof ann) => imageFault("r.test/a:1", "r.test", "unauthorized", login).message;
  expect(words(ann)).toContain("with the login that is kept for r.test");
  expect(words()).not.toContain("is kept");
  for (const said of [words(ann), words()]) expect(said).toContain("gpu-dev registry login r.test");
});

test("X-08 what an address that is no registry answered is not told", () => {
  const said = "error parsing HTTP 404 response body: invalid character '<': \"<html>of the host alone\"";
  expect(imageFault("localhost:8080/a:1", "localhost:8080", said).message).not.toContain("of the host alone");
});

test("how far a pull is counts all layers that are known", () => {
  expect(progressOf([])).toBe("");
  expect(progressOf([{ status: "Pulling fs layer", id: "a" }])).toBe("");
  const half = { status: "Downloading", id: "a", progressDetail: { current: 5e8, total: 1e9 } };
  expect(progressOf([half])).toBe(": 50% of 1.0 GB");
  const whole = { status: "Extracting", id: "b", progressDetail: { current: 1, total: 1e9 } };
  expect(progressOf([half, whole])).toBe(": 75% of 2.0 GB");
  expect(progressOf([whole])).toBe(": unpacking it");
});

test("a build that is tried again and again is told of once", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "gpu-dev-log-"));
  onTestFinished(() => rm(dataDir, { recursive: true }));
  const log = new BuildLog(dataDir);
  for (const line of ["Step 1/2 : FROM away", "Step 1/2 : FROM away", "Step 2/2 : RUN true"])
    log.note("pod", line);
  await expect
    .poll(async () => (await log.read("pod")).map(({ text }) => text))
    .toEqual(["Step 1/2 : FROM away", "Step 2/2 : RUN true"]);
});

test.each([
  ["10.0.0.1:5000", [], "images.registries"],
  ["169.254.169.254", [], "images.registries"],
  ["localhost:5000", ["127.0.0.1"], "images.registries"],
  ["metadata.test", ["169.254.169.254"], "images.registries"],
  ["both.test", ["8.8.8.8", "::1"], "images.registries"],
])("X-08 an engine is not sent to %s", async (host, addresses, words) => {
  await expect(requireOutside(host, new Set(), async () => addresses)).rejects.toThrow(words);
  await expect(requireOutside(host, new Set([host]), async () => addresses)).resolves.toBeUndefined();
});

test("a registry of the internet is asked, and one whose name nobody knows is none", async () => {
  await expect(requireOutside("ghcr.test", new Set(), async () => ["8.8.8.8"])).resolves.toBeUndefined();
  await expect(requireOutside("docker.io", new Set(), async () => ["10.0.0.1"])).resolves.toBeUndefined();
  const failing = (code: string) => async () => Promise.reject(Object.assign(new Error(code), { code }));
  await expect(requireOutside("a.test", new Set(), failing("ENOTFOUND"))).rejects.toBeInstanceOf(
    LaunchRefused,
  );
  await expect(requireOutside("a.test", new Set(), failing("EAI_AGAIN"))).rejects.toBeInstanceOf(DriverError);
});
