/** The unit and the container's files that are shipped: systemd takes the one, and the others name only what there is. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { settingsFile } from "../../src/server/config/schema.ts";

const root = join(import.meta.dirname, "..", "..");
const read = (...path: string[]): string => readFileSync(join(root, "deploy", ...path), "utf8");
const unit = read("systemd", "gpu-dev@.service");

/** What systemd has to say about the unit. */
function verify(text: string): string {
  const scratch = mkdtempSync(join(tmpdir(), "gd-unit-"));
  const file = join(scratch, "gpu-dev@a.service");
  writeFileSync(file, text.replace("ExecStart=gpu-dev", `ExecStart=${join(root, "bin", "gpu-dev.js")}`));
  const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", file], { encoding: "utf8" });
  rmSync(scratch, { recursive: true });
  return stdout + stderr;
}

test("systemd takes the unit without a word", () => {
  expect(verify(unit.replace("[Install]", "KillMood=process\n[Install]"))).toContain("KillMood");
  expect(verify(unit)).toBe("");
});

test("L-17 a stop of the unit ends neither pods nor, before their time, sessions", () => {
  const seconds = (text: string | undefined): number => {
    const [, hours = "0", minutes = "0"] = /^(\d+)h(?:(\d+)min)?$/.exec(text ?? "") ?? [];
    return Number(hours) * 3600 + Number(minutes) * 60;
  };
  const drain = seconds(/--drain-max (\S+)/.exec(unit)?.[1]);
  expect(drain).toBeGreaterThan(0);
  expect(seconds(/^TimeoutStopSec=(\S+)$/m.exec(unit)?.[1])).toBeGreaterThan(drain);
  expect(unit).toMatch(/^KillMode=process$/m);
  expect(unit).toMatch(/^OOMPolicy=continue$/m);
});

test("the container's server is started with a configuration that the schema takes", () => {
  const said = settingsFile.safeParse(parse(read("container", "server.yaml")));
  expect(said.success).toBe(true);
  const compose = parse(read("container", "compose.yaml")) as {
    services: Record<string, { volumes: string[]; secrets: string[]; build?: { dockerfile: string } }>;
    secrets: Record<string, unknown>;
    volumes: Record<string, unknown>;
  };
  const { server, postgres } = compose.services;
  expect(existsSync(join(root, server?.build?.dockerfile ?? ""))).toBe(true);
  for (const { volumes, secrets } of Object.values(compose.services)) {
    const named = volumes.map((volume) => volume.split(":")[0] ?? "").filter((name) => !name.startsWith("."));
    expect(Object.keys(compose.volumes)).toEqual(expect.arrayContaining(named));
    expect(Object.keys(compose.secrets)).toEqual(expect.arrayContaining(secrets));
  }
  // What the configuration names is mounted where it says.
  const mounts = server?.volumes.map((volume) => volume.split(":")[1] ?? "") ?? [];
  const places = [...mounts, ...(server?.secrets ?? []).map((name) => `/run/secrets/${name}`)];
  const { tls_cert, tls_key, database_file } = said.data ?? {};
  for (const path of [tls_cert, tls_key, database_file])
    expect(
      places.some((place) => path?.startsWith(place)),
      path,
    ).toBe(true);
  expect(JSON.stringify(postgres)).not.toMatch(/"POSTGRES_PASSWORD"/);
});

test("the image takes from the project only what is there, and starts the server itself", () => {
  const file = read("container", "Containerfile");
  const { files, bin } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    files: string[];
    bin: Record<string, string>;
  };
  const copied = [...file.matchAll(/^COPY --from=build \/src\/(\S+)/gm)].map(([, path]) => path);
  const shipped = files.filter((path) => !path.endsWith(".md"));
  expect(copied.toSorted()).toEqual([...shipped, "node_modules", "package.json"].toSorted());
  for (const [name, path] of Object.entries(bin)) expect(file).toContain(`/${path} /usr/local/bin/${name}`);
  expect(file).toMatch(/^ENTRYPOINT \["gpu-dev"\]$/m);
});
