/**
 * The ways from an ssh client to one sshd, for benchmarks: plain ssh, a socat ProxyCommand, and the tunnel over ws and over
 * wss. As in production the gateways are processes of their own. Needs the build, sshd, socat and openssl.
 */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { learnHost } from "../src/tunnel/known-hosts.ts";
import { writeSshConfig } from "../src/tunnel/ssh-config.ts";
import { makeCertificates } from "../test/helpers/certificates.ts";
import { cleanEnv, DOMAIN, HOST, ID, pointTo } from "../test/tunnel/rig.ts";
import { type Sshd, startSshd } from "../test/tunnel/sshd.ts";
import type { Usage } from "./usage.ts";

export const VARIANTS = ["plain", "socat", "ws", "wss"] as const;
export type Variant = (typeof VARIANTS)[number];

interface Gateway {
  readonly child: ChildProcess;
  readonly home: string;
}

export interface SshOptions {
  readonly stdin?: "ignore" | "pipe" | Readable;
  readonly stdout?: "ignore" | "pipe";
  /** Have the ProxyCommand's use of CPU and memory written down, if it is ours. */
  readonly measured?: boolean;
}

export interface Ways {
  ssh(variant: Variant, command: string, options?: SshOptions): ChildProcess;
  /** What the ProxyCommand used that was measured last; it ends a moment after its ssh. */
  clientUsage(): Promise<Usage>;
  /** Of a variant's gateway since it started; CPU in ticks of 10 ms. */
  gatewayUsage(variant: "ws" | "wss"): Usage;
  close(): Promise<void>;
}

/** `address`: where the way begins to the server's side; `prefix` is put before each ssh command. */
export async function openWays(address = "127.0.0.1", prefix: readonly string[] = []): Promise<Ways> {
  checkBuild();
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-bench-"));
  const sshd = await startSshd(address);
  const gateways = {
    ws: await startGateway(sshd, address, join(dir, "ws")),
    wss: await startGateway(sshd, address, join(dir, "wss"), makeCertificates(dir, [address])),
  };
  const usageFile = join(dir, "usage");
  return {
    ssh(variant, command, { stdin = "ignore", stdout = "ignore", measured = false } = {}) {
      const [program = "ssh", ...args] = [
        ...prefix,
        "ssh",
        ...words(variant, address, sshd, gateways),
        command,
      ];
      if (measured) rmSync(usageFile, { force: true });
      const env = {
        ...cleanEnv(),
        NODE_EXTRA_CA_CERTS: join(dir, "ca.pem"),
        ...(measured && preload(usageFile)),
      };
      const stdio: StdioOptions = [stdin, stdout, "inherit"];
      return spawn(program, args, { stdio, env });
    },
    async clientUsage() {
      while (!(existsSync(usageFile) && readFileSync(usageFile, "utf8").endsWith("\n"))) await pause(10);
      return JSON.parse(readFileSync(usageFile, "utf8")) as Usage;
    },
    gatewayUsage: (variant) => usageOf(gateways[variant].child.pid ?? 0),
    async close() {
      for (const { child } of Object.values(gateways)) {
        child.kill("SIGKILL");
        await once(child, "exit");
      }
      await sshd.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

function checkBuild(): void {
  if (!existsSync(fileURLToPath(new URL("../dist/ssh-proxy.js", import.meta.url))))
    throw new Error("run `npm run build` first");
}

const preload = (file: string): NodeJS.ProcessEnv => ({
  NODE_OPTIONS: `--import=${new URL("usage.ts", import.meta.url)}`,
  GPU_DEV_BENCH_USAGE: file,
});

async function startGateway(
  sshd: Sshd,
  address: string,
  home: string,
  tls?: { readonly dir: string },
): Promise<Gateway> {
  const script = fileURLToPath(new URL("../test/tunnel/gateway-process.ts", import.meta.url));
  const args = [script, String(sshd.port), address, ...(tls ? [tls.dir] : [])];
  const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ["ignore", "pipe", "inherit"] });
  const [port] = (await once(child.stdout as Readable, "data")) as [Buffer];
  await makeHome(home, sshd, `${tls ? "https" : "http"}://${address}:${port.toString().trim()}`);
  return { child, home };
}

/** A home whose ssh_config is written as users get it. */
async function makeHome(dir: string, sshd: Sshd, url: string): Promise<void> {
  mkdirSync(dir);
  const home = { configDir: dir, stateDir: dir };
  pointTo(home, url);
  await learnHost(home, HOST, sshd.hostKey);
  copyFileSync(sshd.identity, join(dir, "id_ed25519"));
  await writeSshConfig(home, {
    context: "test",
    domain: DOMAIN,
    node: process.execPath,
    proxyScript: fileURLToPath(new URL("../bin/gpu-dev-ssh-proxy.js", import.meta.url)),
    entries: [{ id: ID, name: "bench", host: HOST, user: sshd.user, hostKey: sshd.hostKey }],
    env: { GPU_DEV_HOME: dir },
  });
}

/** The arguments of ssh that lead to the same sshd one way or the other. */
function words(
  variant: Variant,
  address: string,
  sshd: Sshd,
  gateways: Record<"ws" | "wss", Gateway>,
): string[] {
  const common = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-c", "aes128-gcm@openssh.com"];
  if (variant === "ws" || variant === "wss")
    return ["-F", join(gateways[variant].home, "ssh_config"), ...common, "bench"];
  const known = [
    "-o",
    `HostKeyAlias=${HOST}`,
    "-o",
    `UserKnownHostsFile=${join(gateways.ws.home, "known_hosts")}`,
  ];
  const socat = ["-o", `ProxyCommand=socat - TCP:${address}:${sshd.port},nodelay`];
  const through = variant === "socat" ? socat : ["-p", String(sshd.port)];
  return ["-F", "none", "-i", sshd.identity, ...known, ...common, ...through, "-l", sshd.user, address];
}

/** From /proc, so that a process that is measured need not know it. */
function usageOf(pid: number): Usage {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The name in parentheses may hold anything; utime and stime are fields 14 and 15 (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return { cpuS: (Number(fields[11]) + Number(fields[12])) / 100, peakMiB: Number(peak) / 1024 };
}
