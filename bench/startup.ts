/**
 * Start-up of the built command beside bare node, and beside what else is on the machine: gh, kubectl, a Python program with click.
 * Runs are interleaved, so that a busy moment of the machine hits all of them; the figures are medians and their ratios to node.
 * `list` has its answer from memory; of `reserve` and the ssh-proxy the time counts until they dial. Usage: node bench/startup.ts [ROUNDS]
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";

interface Variant {
  readonly title: string;
  readonly words: readonly string[];
  /** At most so many times a bare node. */
  readonly target?: number;
  /** Measured until it connects to the server, instead of until its end. */
  readonly dials?: boolean;
}

const inProject = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url));
const node = process.execPath;
const bin = inProject("bin/gpu-dev.js");
const host = "abcdefghijklmnopqrst.gpu-dev.internal";
const rounds = Number(process.argv[2] ?? 40);
const home = mkdtempSync(join(tmpdir(), "gd-startup-"));

const server = createServer((request, response) => {
  const body = request.url?.startsWith("/v1/deployment")
    ? { id: "bench", version: "0", min_cli: "0", domain: "gpu-dev.internal" }
    : { items: [], next_cursor: null };
  response.setHeader("content-type", "application/json").end(JSON.stringify(body));
});

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** Milliseconds from start to exit, or to the connection. */
async function time({ words: [command = "", ...args], dials }: Variant): Promise<number> {
  const start = performance.now();
  const child = spawn(command, args, {
    stdio: [dials ? "pipe" : "ignore", "ignore", "ignore"],
    env: {
      PATH: process.env.PATH,
      HOME: home,
      GPU_DEV_HOME: home,
      GPU_DEV_URL: url(),
      GPU_DEV_TOKEN: "bench",
    },
  });
  if (!dials) return (await ended(child)) - start;
  const connection = once(server, "connection");
  const end = ended(child);
  await Promise.race([connection, end]);
  const ms = performance.now() - start;
  child.kill("SIGKILL");
  await end;
  return ms;
}

/** When it exited. Throws for a code that is not 0. */
async function ended(child: ChildProcess): Promise<number> {
  const [code] = await once(child, "exit");
  const at = performance.now();
  if (code !== 0 && code !== null) throw new Error(`${child.spawnargs.join(" ")} exited with ${code}`);
  return at;
}

function variants(): Variant[] {
  const empty = join(home, "empty.mjs");
  const click = join(home, "click_program.py");
  writeFileSync(empty, "");
  writeFileSync(click, "import click\n\n@click.command()\ndef main():\n    click.echo('0.1.0')\n\nmain()\n");
  // With its host key known, it asks nothing before it dials.
  writeFileSync(join(home, "known_hosts"), `${host} ssh-ed25519 AAAA\n`);
  for (const key of ["id_ed25519", "id_ed25519.pub"]) writeFileSync(join(home, key), "ssh-ed25519 AAAA\n");
  const reserve = ["reserve", "--gpu-type", "h100", "--time", "1h", "--json"];
  const proxy = ["--context", "environment", "--domain", "gpu-dev.internal", "--", host, "22"];
  const others: Variant[] = [
    { title: "gh --version", words: ["gh", "--version"] },
    { title: "kubectl version --client", words: ["kubectl", "version", "--client"] },
    { title: "a Python click program", words: ["python3", click] },
  ];
  return [
    { title: "bare node", words: [node, empty] },
    { title: "gpu-dev --version", words: [node, bin, "--version"], target: 1.15 },
    { title: "gpu-dev __complete", words: [node, bin, "__complete", "reservations"], target: 1.3 },
    { title: "gpu-dev list", words: [node, bin, "list"], target: 2.2 },
    { title: "gpu-dev reserve, until it dials", words: [node, bin, ...reserve], target: 2.2, dials: true },
    {
      title: "ssh-proxy, until it dials",
      words: [node, inProject("bin/gpu-dev-ssh-proxy.js"), ...proxy],
      target: 1.6,
      dials: true,
    },
    ...others.filter(({ words: [command = "", ...args] }) => spawnSync(command, args).status === 0),
  ];
}

async function measure(): Promise<void> {
  const all = variants();
  const times = new Map(all.map(({ title }) => [title, [] as number[]]));
  // The first round fills the compile cache and is not counted.
  for (let round = -1; round < rounds; round++)
    for (const variant of all) {
      const ms = await time(variant);
      if (round >= 0) times.get(variant.title)?.push(ms);
    }
  const bare = median(times.get("bare node") ?? []);
  for (const { title, target } of all) {
    const ms = median(times.get(title) ?? []);
    const ratio = (ms / bare).toFixed(2);
    const wanted = target === undefined ? "" : ` (target ${target})`;
    console.log(`${title.padEnd(31)} ${ms.toFixed(1).padStart(6)} ms  ratio ${ratio}${wanted}`);
  }
}

if (!existsSync(inProject("dist/main.js"))) throw new Error("run `npm run build` first");
server.listen(0, "127.0.0.1");
await once(server, "listening");
try {
  await measure();
} finally {
  server.closeAllConnections();
  server.close();
  rmSync(home, { recursive: true, force: true });
}
