/** The slices of this machine's GPUs (MIG: multi-instance GPU), as `nvidia-smi -L` lists them below their GPU. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SEARCH_PATH } from "./pod-dir.ts";

const TIMEOUT_MS = 30_000;

/** By a GPU's UUID, the UUIDs of its slices in their order; none while nvidia-smi cannot be asked, which its other answer tells. */
export async function askMig(command: string): Promise<Map<string, string[]>> {
  const options = { env: { PATH: SEARCH_PATH }, timeout: TIMEOUT_MS };
  const said = await promisify(execFile)(command, ["-L"], options).catch(() => ({ stdout: "" }));
  return parseMig(said.stdout);
}

function parseMig(text: string): Map<string, string[]> {
  const slices = new Map<string, string[]>();
  let gpu = "";
  for (const line of text.split("\n")) {
    const uuid = /\(UUID: ([\w-]+(?:\/\d+)*)\)\s*$/.exec(line)?.[1];
    if (uuid === undefined) continue;
    if (/^\s*MIG /.test(line)) slices.set(gpu, [...(slices.get(gpu) ?? []), uuid]);
    else gpu = uuid;
  }
  return slices;
}
