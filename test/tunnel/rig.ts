/** A gateway on a real HTTP server, a home directory that points to it, and the ssh-proxy as a process. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { Problem } from "../../src/api/errors.ts";
import type { Home } from "../../src/api/home.ts";
import {
  type Admission,
  createGateway,
  type Gateway,
  type GatewayOptions,
} from "../../src/tunnel/gateway.ts";
import { learnHost } from "../../src/tunnel/known-hosts.ts";
import { writeSshConfig } from "../../src/tunnel/ssh-config.ts";
import type { Sshd } from "./sshd.ts";

export const ID = "abcdefghijklmnopqrst";
export const DOMAIN = "pods.test";
export const HOST = `${ID}.${DOMAIN}`;
/** What known_hosts says of HOST, until a test has it written anew. */
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
export const TOKEN = "secret-token-of-this-test";

const require =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/** Bundles the ssh-proxy into `dir`, as it ships: from its source it takes three times as long to start. */
function buildProxy(dir: string): string {
  const outfile = join(dir, "proxy.mjs");
  const entry = fileURLToPath(new URL("proxy-entry.ts", import.meta.url));
  buildSync({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node24",
    banner: { js: require },
  });
  return outfile;
}

export interface Rig {
  readonly url: string;
  readonly port: number;
  readonly home: Home;
  /** The ssh-proxy's bundle. */
  readonly proxy: string;
  readonly gateway: Gateway;
  readonly server: Server;
  /** What the gateway logged, one JSON text each. */
  readonly logs: string[];
  /** What the reservation API answers, by path with query. */
  readonly replies: Map<string, unknown>;
  /** What recheck says from now on. */
  revoked: Problem | undefined;
  close(): Promise<void>;
}

export type RigOptions = Partial<Omit<GatewayOptions, "log">> & { dial?: () => Promise<Duplex> };

/** Admits TOKEN to ID and to nothing else, unless the options say otherwise. */
export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const { dial = () => Promise.reject(new Error("no pod")), ...rest } = options;
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-rig-"));
  const home = { configDir: dir, stateDir: dir };
  const [logs, replies] = [[] as string[], new Map<string, unknown>()];
  const gateway = createGateway({
    name: "gw",
    maxPerUser: 50,
    maxPerReservation: 50,
    log: (fields, message) => logs.push(JSON.stringify({ ...fields, message })),
    admit: async ({ token, reservation }) => {
      if (token !== TOKEN) throw new Problem("not_logged_in", "the token is not valid");
      if (reservation !== ID) throw new Problem("not_found", "no such reservation, or it is not yours");
      const admission: Admission = {
        userId: "u1",
        reservationId: reservation,
        dial,
        recheck: async () => rig.revoked,
      };
      return admission;
    },
    ...rest,
  });
  const server = createServer((request, response) => {
    const reply = request.headers.authorization === `Bearer ${TOKEN}` && replies.get(request.url ?? "");
    response.writeHead(reply ? 200 : 404, { "content-type": "application/json" });
    response.end(JSON.stringify(reply || {}));
  });
  server.on("upgrade", (request, socket, head) => gateway.handleUpgrade(request, socket, head));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  pointTo(home, url);
  await learnHost(home, HOST, HOST_KEY);
  const rig: Rig = {
    url,
    port,
    home,
    proxy: buildProxy(dir),
    gateway,
    server,
    logs,
    replies,
    revoked: undefined,
    async close() {
      await gateway.close(0);
      server.closeAllConnections();
      server.close();
      await once(server, "close");
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return rig;
}

/** The ssh-proxy finds `url` as context "test" from now on. */
export function pointTo(home: Home, url: string, token: string | undefined = TOKEN): void {
  mkdirSync(home.configDir, { recursive: true });
  const contexts = { test: { url, token } };
  writeFileSync(join(home.configDir, "credentials.json"), JSON.stringify({ current: "test", contexts }), {
    mode: 0o600,
  });
}

/** The user's key and ssh_config in the rig's home, as `gpu-dev` writes them: `hello` is the pod behind the rig. */
export async function giveSshConfig(
  rig: Rig,
  sshd: Pick<Sshd, "identity" | "user" | "hostKey">,
): Promise<void> {
  copyFileSync(sshd.identity, join(rig.home.stateDir, "id_ed25519"));
  await writeSshConfig(rig.home, {
    context: "test",
    domain: DOMAIN,
    node: process.execPath,
    proxyScript: rig.proxy,
    entries: [{ id: ID, name: "hello", host: HOST, user: sshd.user, hostKey: sshd.hostKey }],
    env: { GPU_DEV_HOME: rig.home.stateDir },
  });
}

/** The environment of this process without what would lead the proxy elsewhere. */
export function cleanEnv(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  for (const name of Object.keys(env)) if (/^(GPU_DEV_|NODE_|VITEST|SSH_)/.test(name)) delete env[name];
  return env;
}

/** Starts the ssh-proxy; stdin, stdout and stderr are pipes unless the options say otherwise. */
export function spawnProxy(rig: Rig, options: SpawnOptions = {}, host = HOST, port = "22"): ChildProcess {
  // Without retries: a fault that may pass has tests of its own.
  const where = ["--context", "test", "--domain", DOMAIN, "--home", rig.home.stateDir, "--retry", "0"];
  const words = [...where, "--", host, port];
  return spawn(process.execPath, [rig.proxy, ...words], { env: cleanEnv(), stdio: "pipe", ...options });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Collects what a process writes, until it has ended. */
export async function outcome(child: ChildProcess): Promise<Ended> {
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}

function collect(stream: NodeJS.ReadableStream | null): Buffer[] {
  const parts: Buffer[] = [];
  stream?.on("data", (part: Buffer) => parts.push(part));
  return parts;
}
