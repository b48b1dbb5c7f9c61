/** Why a pod is dead, as far as it left word or the machine can tell (L-11). */
import { readDeath } from "./control.ts";
import { control, readIfThere } from "./pod-dir.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";

/** Another one after each start of the machine; empty where nobody can tell. */
export const bootId = async (): Promise<string> => (await readIfThere(BOOT_ID)) ?? "";

/** In words. */
export async function deathOf(dir: string): Promise<string> {
  const said = await readDeath(dir);
  if (said !== undefined) return said;
  const boot = await readIfThere(control(dir, "boot"));
  if (boot && boot !== (await bootId())) return "the machine restarted";
  const killed = "its first process was killed";
  const [before, now] = [
    Number.parseInt((await readIfThere(control(dir, "oom"))) ?? "", 10),
    await oomKills(),
  ];
  if (now === undefined || Number.isNaN(before)) return `${killed} (out of memory, or by hand)`;
  return now > before
    ? `${killed}, probably for want of memory: the kernel has ended processes for that since`
    : `${killed}, and not for want of memory`;
}

/** How many processes of this machine its kernel has killed for want of memory. */
async function oomKills(): Promise<number | undefined> {
  const count = /^oom_kill (\d+)$/m.exec((await readIfThere("/proc/vmstat")) ?? "")?.[1];
  return count === undefined ? undefined : Number(count);
}
