/** Why a pod is dead, from how its container ended (L-11). */

/** How the pod's init ends; none of them is what a signal or a shell's own fault makes of it. */
export const EXIT = { deadline: 60, sshd: 61, told: 62, user: 63, disk: 64, untold: 65 } as const;

/** As the engine tells it. */
export interface ContainerState {
  readonly Status: string;
  readonly ExitCode: number;
  readonly OOMKilled: boolean;
  readonly Error: string;
  readonly StartedAt: string;
}

const OF_INIT: Readonly<Record<number, string>> = {
  [EXIT.deadline]: "its deadline passed",
  [EXIT.sshd]: "its sshd ended",
  [EXIT.told]: "it was told to end, or its Docker Engine was",
  [EXIT.disk]: "another pod has its disk, or the disk is being copied",
  [EXIT.user]: "the image's user or group is not in its /etc/passwd or /etc/group",
};
const OUT_OF_MEMORY = "out of memory: it used more than its share of the node";
const KILLED = 137;
/** What the engine finds when it starts, and cannot know how the container ended. */
export const UNKNOWN = 255;

/** In words. */
export function deathOf({ ExitCode, OOMKilled, Error: fault }: ContainerState): string {
  // An init whose sshd was killed for it ends by itself.
  if (OOMKilled && [KILLED, EXIT.sshd].includes(ExitCode)) return OUT_OF_MEMORY;
  const said = OF_INIT[ExitCode];
  if (said !== undefined) return said;
  if (ExitCode === KILLED) return "its first process was killed, and not for want of memory";
  if (ExitCode === UNKNOWN) return "its Docker Engine or its machine restarted";
  return `its first process ended with status ${ExitCode}${fault && `: ${fault}`}`;
}
