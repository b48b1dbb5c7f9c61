/**
 * The tunnel beside plain ssh over a long way: 100 ms round trip, and 40 ms with 2 % of the packets lost. Ratios of throughput
 * (target at 100 ms: 0.8), and what connecting takes. Needs root, python3, iproute2 and TUN devices, since the two ends live in
 * network namespaces of their own. Usage: node bench/far.ts [--rounds 3]
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { median } from "./median.ts";
import { openWays, type Variant } from "./ways.ts";

const { values } = parseArgs({
  options: { rounds: { type: "string", default: "3" }, inside: { type: "string" }, mib: { type: "string" } },
});
const [NEAR, FAR] = ["10.201.17.1", "10.201.17.2"];
const LINKS = [
  { title: "100 ms round trip", delayMs: 50, loss: 0, mib: 64 },
  { title: "40 ms round trip, 2 % lost", delayMs: 20, loss: 0.02, mib: 4 },
];
const VARIANTS = ["plain", "ws", "wss"] as const;
type What = "connect" | "up" | "down";

const self = fileURLToPath(import.meta.url);
const ip = (...args: string[]): unknown => execFileSync("ip", args);

/** Makes the two namespaces and the link, and measures in the server's. */
async function over({ title, delayMs, loss, mib }: (typeof LINKS)[number]): Promise<void> {
  const [near, far] = [`gpu-dev-near-${process.pid}`, `gpu-dev-far-${process.pid}`];
  for (const name of [near, far]) {
    ip("netns", "add", name);
    ip("-n", name, "link", "set", "lo", "up");
  }
  const script = fileURLToPath(new URL("slow-link.py", import.meta.url));
  const link = spawn("python3", [script, near, NEAR, far, FAR, String(delayMs), String(loss)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    await once(link.stdout, "data");
    console.log(`${title}:`);
    const args = ["netns", "exec", far, process.execPath, self, "--inside", near, "--mib", String(mib)];
    const measuring = spawn("ip", [...args, "--rounds", values.rounds], { stdio: "inherit" });
    const [code] = await once(measuring, "exit");
    if (code !== 0) process.exitCode = 1;
  } finally {
    link.kill();
    await once(link, "exit");
    for (const name of [near, far]) ip("netns", "del", name);
  }
}

/** Clients start in the namespace `near`. */
async function measure(near: string, mib: number): Promise<void> {
  const ways = await openWays(FAR, ["ip", "netns", "exec", near]);
  const bytes = mib * 1024 * 1024;
  /** Seconds. */
  const time = async (variant: Variant, what: What): Promise<number> => {
    const zeroes = () =>
      spawn("head", ["-c", String(bytes), "/dev/zero"], { stdio: ["ignore", "pipe", "inherit"] });
    const stdin = what === "up" ? zeroes().stdout : "ignore";
    const start = performance.now();
    const [code] = await once(ways.ssh(variant, commands[what], { stdin }), "close");
    if (code !== 0) throw new Error(`ssh exited with ${code}`);
    return (performance.now() - start) / 1000;
  };
  const commands = { connect: "true", up: "cat >/dev/null", down: `head -c ${bytes} /dev/zero` };
  try {
    for (const what of ["connect", "up", "down"] as const) {
      const rounds: Record<(typeof VARIANTS)[number], number>[] = [];
      for (let round = 0; round < Number(values.rounds); round++)
        rounds.push({
          plain: await time("plain", what),
          ws: await time("ws", what),
          wss: await time("wss", what),
        });
      print(what, rounds, mib);
    }
  } finally {
    await ways.close();
  }
}

function print(
  what: string,
  rounds: readonly Record<(typeof VARIANTS)[number], number>[],
  mib: number,
): void {
  const of = (pick: (round: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
  if (what === "connect") {
    const over = (["ws", "wss"] as const).map(
      (v) => `${v} +${(of((r) => r[v] - r.plain) * 1000).toFixed(0)} ms`,
    );
    console.log(`  connect plain ${(of((r) => r.plain) * 1000).toFixed(0)} ms, over it: ${over.join(", ")}`);
    return;
  }
  const ratios = (["ws", "wss"] as const).map((v) => `${v}/plain ${of((r) => r.plain / r[v]).toFixed(2)}`);
  console.log(`  ${what} ${ratios.join(", ")} (plain ${(mib / of((r) => r.plain)).toFixed(1)} MiB/s)`);
}

if (values.inside !== undefined) await measure(values.inside, Number(values.mib));
else for (const link of LINKS) await over(link);
