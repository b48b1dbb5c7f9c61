import { expect, test } from "vitest";
import { parseDriver, parseEngineUrl } from "../../src/api/engine-url.ts";

test.each([
  ["unix:///var/run/docker.sock", { kind: "unix", path: "/var/run/docker.sock" }],
  ["tcp://gpu.example.com", { kind: "tcp", host: "gpu.example.com", port: 2376 }],
  ["tcp://[fd00::1]:2000", { kind: "tcp", host: "fd00::1", port: 2000 }],
  ["ssh://gpu-1", { kind: "ssh", target: "gpu-1", port: undefined }],
  ["ssh://ops@gpu-1:2222/", { kind: "ssh", target: "ops@gpu-1", port: 2222 }],
])("%s names an engine", (url, address) => {
  expect(parseEngineUrl(url)).toEqual(address);
});

test.each([
  "/var/run/docker.sock",
  "unix://var/run/docker.sock",
  "http://gpu-1:2375",
  "tcp://me@gpu-1",
  "ssh://gpu-1/var/run/docker.sock",
  "tcp://gpu-1:99999999",
])("%s does not", (url) => {
  expect(parseEngineUrl(url)).toBeUndefined();
});

test.each(["ssh://-oProxyCommand=id", "ssh://-x@gpu-1", "ssh://gpu-1 id", "ssh://gpu-1\n-x", "ssh://a@-b"])(
  "X-03 %j is no name that ssh could take for an option",
  (url) => {
    expect(parseEngineUrl(url)).toBeUndefined();
  },
);

test("a driver is named with the URL of its engine, or without", () => {
  expect(parseDriver("local")).toEqual({ driver: "local" });
  expect(parseDriver("docker")).toEqual({ driver: "docker" });
  expect(parseDriver("docker=ssh://gpu-1")).toEqual({ driver: "docker", url: "ssh://gpu-1" });
  for (const wrong of ["", "podman", "docker=", "docker=gpu-1", "local=x"])
    expect(parseDriver(wrong), wrong).toBeUndefined();
});
