/** How pods are kept apart on this machine: what is asked for, or what works. */
import { DriverError } from "../driver.ts";
import { type Isolation, plainProcesses } from "./isolation.ts";
import { namespaceFault, namespaces } from "./namespaces.ts";

interface Wishes {
  /** "auto" takes namespaces where they really work, else plain processes. */
  readonly isolation: "auto" | "namespaces" | "processes";
  /** Paths that no pod may see, beside the data directory. */
  readonly mask?: readonly string[];
  log(fields: Record<string, unknown>, message: string): void;
}

/** Throws DriverError when namespaces are asked for and do not work here. */
export async function chooseIsolation(wishes: Wishes, dataDir: string): Promise<Isolation> {
  if (wishes.isolation === "processes") return plainProcesses();
  const fault = await (process.platform !== "linux" || process.getuid?.() !== 0
    ? "they need root on Linux"
    : tryNamespaces(wishes, dataDir));
  if (typeof fault !== "string") return fault;
  const message = `pods cannot have namespaces of their own here: ${fault}`;
  if (wishes.isolation === "namespaces") throw new DriverError(`${message}; ask for processes instead`);
  wishes.log({ fault }, "pods are plain processes here: one trust domain, for administrators only");
  return plainProcesses();
}

async function tryNamespaces({ mask = [] }: Wishes, dataDir: string): Promise<Isolation | string> {
  const isolation = await namespaces([dataDir, ...mask]);
  return (await namespaceFault(isolation, dataDir)) ?? isolation;
}
