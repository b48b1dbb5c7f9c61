/** The image's own entrypoint, run beside sshd where that is asked for: as the image's user, in its directory, with the environment of a session. */
import { HOME } from "./places.ts";
import type { ImageConfig } from "./pod.ts";
import { quoted } from "./script.ts";
import { TOOLS } from "./tools.ts";

/** How the pod's log tells that it is over; the pod goes on. */
export const ENTRYPOINT_ENDED = "the image's entrypoint ended with status";

/** A script for the tools' bash, which init gives the numbers of user and group; undefined for an image that has nothing to run. */
export function entrypointScript(
  { Entrypoint, Cmd, WorkingDir }: ImageConfig,
  environment: Readonly<Record<string, string>>,
): string | undefined {
  const command = [...(Entrypoint ?? []), ...(Cmd ?? [])];
  if (command.length === 0) return undefined;
  const log = `${HOME}/entrypoint.log`;
  return [
    `exec </dev/null >>${log} 2>&1`,
    `${TOOLS}/bin/chown "$1:$2" ${log}`,
    `cd ${quoted(WorkingDir || "/")} || exit`,
    ...Object.entries(environment).map(([name, value]) => `export ${name}=${quoted(value)}`),
    `exec ${TOOLS}/bin/chroot --userspec="$1:$2" --groups= --skip-chdir / ${command.map(quoted).join(" ")}`,
    "",
  ].join("\n");
}
