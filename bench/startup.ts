/**
 * Start-up of the built command: `gpu-dev --version` and `gpu-dev list` (against an answer from memory) over bare node.
 * Runs are interleaved, so that a busy moment of the machine hits all of them; the figures are medians and their ratios.
 * Targets: --version at most 1.3, list at most 2.5. Usage: node bench/startup.ts [ROUNDS]
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { median } from "./median.ts";

const bin = fileURLToPath(new URL("../bin/gpu-dev.js", import.meta.url));
const rounds = Number(process.argv[2] ?? 40);
const home = mkdtempSync(join(tmpdir(), "gd-startup-"));
const server = createServer((request, response) => {
  const body = request.url?.startsWith("/v1/deployment")
    ? { id: "bench", version: "0", min_cli: "0", domain: "gpu-dev.internal" }
    : { items: [], next_cursor: null };
  response.setHeader("content-type", "application/json").end(JSON.stringify(body));
});

/** Milliseconds from start to exit. */
async function time(args: readonly string[]): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: "ignore",
    env: { PATH: process.env.PATH, HOME: home, GPU_DEV_URL: url(), GPU_DEV_TOKEN: "bench" },
  });
  const [code] = await once(child, "exit");
  if (code !== 0) throw new Error(`${args.join(" ")} exited with ${code}`);
  return performance.now() - start;
}

const url = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

async function measure(): Promise<void> {
  const empty = join(home, "empty.mjs");
  writeFileSync(empty, "");
  const variants = { node: [empty], version: [bin, "--version"], list: [bin, "list"] };
  const times: Record<keyof typeof variants, number[]> = { node: [], version: [], list: [] };
  // The first round fills the compile cache and is not counted.
  for (let round = -1; round < rounds; round++)
    for (const [name, args] of Object.entries(variants) as [keyof typeof variants, string[]][]) {
      const ms = await time(args);
      if (round >= 0) times[name].push(ms);
    }
  const bare = median(times.node);
  console.log(`bare node             ${bare.toFixed(1)} ms`);
  for (const [name, target] of [
    ["version", 1.3],
    ["list", 2.5],
  ] as const) {
    const ms = median(times[name]);
    console.log(
      `gpu-dev ${name.padEnd(13)} ${ms.toFixed(1)} ms  ratio ${(ms / bare).toFixed(2)} (target ${target})`,
    );
  }
}

if (!existsSync(fileURLToPath(new URL("../dist/main.js", import.meta.url))))
  throw new Error("run `npm run build` first");
server.listen(0, "127.0.0.1");
await once(server, "listening");
try {
  await measure();
} finally {
  server.close();
  rmSync(home, { recursive: true, force: true });
}
