/** Which machines and engines can have pods. */
import type { EngineInfo } from "./share.ts";

/** By what images call them; engines and Node have other names. */
const ALSO: Readonly<Record<string, string>> = { x86_64: "amd64", x64: "amd64", aarch64: "arm64" };

/** The kind of a machine's processors, as images name it. */
export const architecture = (name: string): string => ALSO[name] ?? name;

/** Why no pod can be there, in words: what they need is taken from the server's machine. */
export function machineFault({ OSType, Architecture }: Pick<EngineInfo, "OSType" | "Architecture">) {
  const [own, its] = [architecture(process.arch), architecture(Architecture)];
  if (OSType === "linux" && own === its) return undefined;
  return `it has ${OSType} on ${its}, and pods get their sshd from the server's machine, which has ${process.platform} on ${own}`;
}

/** By what Docker and podman call them. */
export interface EngineVersion {
  readonly Version: string;
  readonly ApiVersion: string;
}

/** 1.40, the first that gives out GPUs. */
const LEAST_MINOR = 40;

/** Why the engine cannot be used, in words. */
export function versionFault({ Version, ApiVersion }: EngineVersion): string | undefined {
  const minor = Number(/^1\.(\d+)$/.exec(ApiVersion)?.[1] ?? LEAST_MINOR);
  if (minor >= LEAST_MINOR) return undefined;
  return `the Docker Engine ${Version} is too old: it speaks version ${ApiVersion} of its API, and 1.${LEAST_MINOR} (Docker 19.03) is needed`;
}
