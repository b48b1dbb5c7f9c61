import { expect, test } from "vitest";
import { fullName, parseImageReference, registryHost } from "../../src/api/image-reference.ts";

const DIGEST = `sha256:${"0a".repeat(32)}`;
const named = (text: string) => {
  const parsed = parseImageReference(text);
  return parsed && fullName(parsed);
};

test.each([
  ["ubuntu", "docker.io/library/ubuntu:latest"],
  ["ubuntu:24.04", "docker.io/library/ubuntu:24.04"],
  ["pytorch/pytorch:2.5", "docker.io/pytorch/pytorch:2.5"],
  ["index.docker.io/ubuntu", "docker.io/library/ubuntu:latest"],
  ["nvcr.io/nvidia/pytorch:25.01-py3", "nvcr.io/nvidia/pytorch:25.01-py3"],
  ["localhost/own", "localhost/own:latest"],
  ["registry.example.org:5000/team/image", "registry.example.org:5000/team/image:latest"],
  ["127.0.0.1:5000/own:1", "127.0.0.1:5000/own:1"],
  [`ubuntu@${DIGEST}`, `docker.io/library/ubuntu@${DIGEST}`],
  [`ghcr.io/a/b:1@${DIGEST}`, `ghcr.io/a/b:1@${DIGEST}`],
  // What an engine would take for the id of an image that somebody else pulled is a name like any other.
  ["0a0a0a0a0a0a", "docker.io/library/0a0a0a0a0a0a:latest"],
  [DIGEST, `docker.io/library/${DIGEST}`],
])("%s is %s", (text, whole) => {
  expect(named(text)).toBe(whole);
});

test.each([
  "",
  "Ubuntu",
  "a/../b",
  "../etc",
  "/ubuntu",
  "ubuntu:",
  "ubuntu:a b",
  "http://ghcr.io/a",
  "ubuntu@sha256:12",
  "a//b",
  "ubuntu\n",
  "ubuntu?x=1",
  "host:port/image",
  `${"a".repeat(600)}`,
])("X-03 %j is no image", (text) => {
  expect(named(text)).toBeUndefined();
});

test("registries are known by their host", () => {
  expect(["GHCR.io", "docker.io", "index.docker.io", "10.0.0.5:5000"].map(registryHost)).toEqual([
    "ghcr.io",
    "docker.io",
    "docker.io",
    "10.0.0.5:5000",
  ]);
  expect(["", "https://ghcr.io", "ghcr.io/team", "a b"].map(registryHost)).toEqual(Array(4).fill(undefined));
});
