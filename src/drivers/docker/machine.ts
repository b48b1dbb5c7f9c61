/** Which machines and engines can have pods. */
import type { EngineInfo } from "./share.ts";

/** By what images call them; engines and Node have other names. */
const ALSO: Readonly<Record<string, string>> = { x86_64: "amd64", x64: "amd64", aarch64: "arm64" };

/** The kind of a machine's processors, as images name it. */
export const architecture = (name: string): string => ALSO[name] ?? name;

/** Why no pod can be there, in words; `own` tells that what they need is taken from the server's machine. */
export function machineFault(
  { OSType, Architecture }: Pick<EngineInfo, "OSType" | "Architecture">,
  own: boolean,
): string | undefined {
  const [here, its] = [architecture(process.arch), architecture(Architecture)];
  if (OSType !== "linux") return `its containers are of ${OSType}, and pods are Linux`;
  if (!own || here === its) return undefined;
  return (
    `it has processors of ${its}, and pods get their sshd from the server's machine, which has ${here}: ` +
    "name a docker.helper_image that there is for both"
  );
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
