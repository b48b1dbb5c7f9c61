/** The slices of this machine's GPUs (MIG: multi-instance GPU), as `nvidia-smi -L` lists them below their GPU. */
import type { Smi } from "./smi.ts";

/** By a GPU's UUID, the UUIDs of its slices in their order; none while nvidia-smi cannot be asked, which its other answer tells. */
export async function askMig(smi: Pick<Smi, "run">): Promise<Map<string, string[]>> {
  return parseMig(await smi.run(["-L"]).catch(() => ""));
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
