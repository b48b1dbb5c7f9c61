/**
 * The ways from an ssh client to one sshd, for benchmarks: plain ssh, a socat ProxyCommand, a bare pipe of two Node processes, and
 * the tunnel over ws and over wss. As in production the gateways are processes of their own. Needs the build, sshd, socat and openssl.
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

export const VARIANTS = ["plain", "socat", "node", "ws", "wss"] as const;
export type Variant = (typeof VARIANTS)[number];
/** Those with a process of Node at each end. */
export type NodeVariant = Exclude<Variant, "plain" | "socat">;

interface Gateway {
  readonly child: ChildProcess;
  readonly port: number;
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
  gatewayUsage(variant: NodeVariant): Usage;
  close(): Promise<void>;
}

/** `address`: where the way begins to the server's side; `prefix` is put before each ssh command. */
export async function openWays(address = "127.0.0.1", prefix: readonly string[] = []): Promise<Ways> {
  checkBuild();
  const dir = mkdtempSync(join(tmpdir(), "gpu-dev-bench-"));
  const sshd = await startSshd(address);
  const certificates = makeCertificates(dir, [address]);
  const gateways = {
    node: await startGateway([BARE_PIPE, "relay", address, String(sshd.port)]),
    ws: await startGateway([GATEWAY, String(sshd.port), address]),
    wss: await startGateway([GATEWAY, String(sshd.port), address, certificates.dir]),
  };
  await makeHome(join(dir, "ws"), sshd, `http://${address}:${gateways.ws.port}`);
  await makeHome(join(dir, "wss"), sshd, `https://${address}:${gateways.wss.port}`);
  let measurements = 0;
  // One for each: the ProxyCommand measured before may write its own only now.
  const usageFile = (): string => join(dir, `usage-${measurements}`);
  return {
    ssh(variant, command, { stdin = "ignore", stdout = "ignore", measured = false } = {}) {
      const [program = "ssh", ...args] = [
        ...prefix,
        "ssh",
        ...words(variant, { address, sshd, dir, relayPort: gateways.node.port }),
        command,
      ];
      if (measured) measurements += 1;
      const env = {
        ...cleanEnv(),
        NODE_EXTRA_CA_CERTS: join(dir, "ca.pem"),
        ...(measured && preload(usageFile())),
      };
      const stdio: StdioOptions = [stdin, stdout, "inherit"];
      return spawn(program, args, { stdio, env });
    },
    async clientUsage() {
      const file = usageFile();
      while (!(existsSync(file) && readFileSync(file, "utf8").endsWith("\n"))) await pause(10);
      return JSON.parse(readFileSync(file, "utf8")) as Usage;
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

const script = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const GATEWAY = script("../test/tunnel/gateway-process.ts");
const BARE_PIPE = script("bare-pipe.ts");

/** Starts a process that prints the port it listens at. */
async function startGateway(args: readonly string[]): Promise<Gateway> {
  const child = spawn(process.execPath, args, { env: cleanEnv(), stdio: ["ignore", "pipe", "inherit"] });
  const [port] = (await once(child.stdout as Readable, "data")) as [Buffer];
  return { child, port: Number(port.toString()) };
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

interface Ends {
  readonly address: string;
  readonly sshd: Sshd;
  /** Where the homes of the tunnels are. */
  readonly dir: string;
  readonly relayPort: number;
}

/** The arguments of ssh that lead to the same sshd one way or the other. */
function words(variant: Variant, { address, sshd, dir, relayPort }: Ends): string[] {
  const common = ["-o", "ControlMaster=no", "-o", "ControlPath=none", "-c", "aes128-gcm@openssh.com"];
  if (variant === "ws" || variant === "wss")
    return ["-F", join(dir, variant, "ssh_config"), ...common, "bench"];
  const known = ["-o", `HostKeyAlias=${HOST}`, "-o", `UserKnownHostsFile=${join(dir, "ws", "known_hosts")}`];
  const through = {
    plain: ["-p", String(sshd.port)],
    socat: ["-o", `ProxyCommand=socat - TCP:${address}:${sshd.port},nodelay`],
    node: ["-o", `ProxyCommand=${process.execPath} ${BARE_PIPE} client ${address} ${relayPort}`],
  }[variant];
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
