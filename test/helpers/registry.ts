/** A real image registry (the distribution project's) on an address that the engine of a test reaches, with or without TLS and a login. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Certificates } from "./certificates.ts";

/** Who may come in where a login is asked for: bcrypt of "right". */
const HTPASSWD = "ann:$2b$04$dxZIryh9jhgy7BLgIDO8cOEAbO93u8NW.RAu/LFtansGq..V/QPzm\n";
export const ANN = { username: "ann", password: "right" };

/** What an engine needs to be told of registries without TLS. */
export const INSECURE = ["--insecure-registry", "10.128.0.0/9"];

/** Why no registry can be started here; in CI, where that must not be, it throws. */
export function noRegistry(): string | undefined {
  if (spawnSync("sh", ["-c", "command -v docker-registry"]).status === 0) return undefined;
  const why = "docker-registry is not installed (npm run setup -- test)";
  if (process.env.CI) throw new Error(why);
  return why;
}

/** The folder of what registries have, and its removal. */
export function registryFolder(): { folder: string; remove(): void } {
  const folder = mkdtempSync(join(tmpdir(), "gpu-dev-registry-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The other end of the engine's cable is ours. */
export const registryAddress = (engine: string): string => engine.replace(/\d+$/, "1");

export interface Registry {
  /** With the port: what names of images begin with. */
  readonly host: string;
  /** Of an image that anybody may read. */
  digest(path: string, tag: string): Promise<string>;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** Whether it asks for one; ANN's. */
  readonly login?: boolean;
  readonly port?: number;
  /** Without them it speaks plain HTTP. */
  readonly tls?: Pick<Certificates, "dir">;
}

/** One for the engine whose own address is `engine`; those of one folder have the same images. */
export async function startRegistry(
  engine: string,
  folder: string,
  { login = false, port = 0, tls }: RegistryOptions = {},
): Promise<Registry> {
  const own = mkdtempSync(join(folder, "registry-"));
  mkdirSync(join(folder, "data"), { recursive: true });
  writeFileSync(join(own, "htpasswd"), HTPASSWD);
  const address = registryAddress(engine);
  const config = {
    version: 0.1,
    log: { level: "info", formatter: "json" },
    storage: { filesystem: { rootdirectory: join(folder, "data") }, delete: { enabled: true } },
    http: {
      addr: `${address}:${port}`,
      ...(tls && { tls: { certificate: join(tls.dir, "server.pem"), key: join(tls.dir, "server.key") } }),
    },
    ...(login ? { auth: { htpasswd: { realm: "test", path: join(own, "htpasswd") } } } : {}),
  };
  // JSON is YAML.
  writeFileSync(join(own, "config.yml"), JSON.stringify(config));
  const program = spawn("docker-registry", ["serve", join(own, "config.yml")], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  for await (const line of createInterface(program.stderr)) {
    said += `${line}\n`;
    const found = /listening on ([\d.]+:\d+)/.exec(line)?.[1];
    if (found === undefined) continue;
    program.stderr.resume();
    return {
      host: found,
      digest: (path, tag) => digestOf(`http://${found}/v2/${path}/manifests/${tag}`),
      async stop() {
        const exited = once(program, "exit");
        if (program.exitCode === null && program.kill("SIGKILL")) await exited;
      },
    };
  }
  throw new Error(`the registry does not start\n${said}`);
}

/** An older form of the manifest would have another. */
const MANIFESTS = [
  "application/vnd.docker.distribution.manifest.v2+json",
  "application/vnd.oci.image.manifest.v1+json",
];

async function digestOf(manifest: string): Promise<string> {
  const { headers } = await fetch(manifest, { method: "HEAD", headers: { Accept: MANIFESTS.join(", ") } });
  const digest = headers.get("docker-content-digest");
  if (digest === null) throw new Error(`${manifest} has no digest`);
  return digest;
}
