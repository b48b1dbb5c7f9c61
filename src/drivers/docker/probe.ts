/** nvidia-smi of a host, which NVIDIA's container toolkit brings into a container that is given GPUs. */
import { EngineError } from "./engine.ts";
import type { Ended } from "./exec.ts";
import type { Helper } from "./helper.ts";
import { BASH, LOADER, TOOLS } from "./tools.ts";

/** Where the toolkit puts it and its libraries, by the distribution that an image looks like. */
const SMI = "/usr/bin/nvidia-smi";
const LIBRARIES = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
const NOT_FOUND = 127;

/** In an image without a C library our loader starts it, with ours; some systems have a script in its place. */
const START = `[ -e ${SMI} ] || exit ${NOT_FOUND}
IFS= LC_ALL=C read -r -n 4 magic <${SMI}
[ "$magic" = $'\\x7fELF' ] || exec ${BASH} ${SMI} "$@"
exec ${LOADER} --library-path ${[`${TOOLS}/lib`, ...LIBRARIES].join(":")} ${SMI} "$@"`;

/** The command that is nvidia-smi in a container of ours. */
export const smiCommand = (args: readonly string[]): string[] => [BASH, "-c", START, "nvidia-smi", ...args];

/** What it prints. Throws with `code` ENOENT where the engine has no GPUs to give. */
export async function smiIn(
  run: (helper: Omit<Helper, "image">) => Promise<Ended>,
  args: readonly string[],
): Promise<string> {
  const devices = [{ Count: -1, Capabilities: [["gpu", "utility"]] }];
  const ended = await run({ command: smiCommand(args), devices }).catch((error: unknown) => {
    throw isWithoutGpus(error)
      ? Object.assign(new Error("no GPUs"), { code: "ENOENT", cause: error })
      : error;
  });
  if (ended.code === 0) return ended.stdout;
  const code = ended.code === NOT_FOUND ? "ENOENT" : ended.code;
  throw Object.assign(new Error(`nvidia-smi ended with ${ended.code}`), { ...ended, code });
}

/** In the words of the engine, or of NVIDIA's hook on a machine where the toolkit is installed and no GPU is. */
const isWithoutGpus = (error: unknown): boolean =>
  error instanceof EngineError &&
  /could not select device driver|nvidia-container-cli: initialization error|no known GPU vendor/.test(
    error.message,
  );
