/** Telling whoever waits that it is over: the terminal's bell, or a command of their own. */
import { EXIT } from "../../api/errors.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { sshAlias } from "../output/reservation.ts";
import { shellCall } from "../platforms.ts";

const BELL = "\u0007";

/** Rings the bell of a terminal; anywhere else it would be a stray character. */
export function ring(ctx: Context): void {
  if (ctx.io.stderr.isTTY) ctx.io.stderr.write(BELL);
}

/**
 * Runs a command by the shell for a reservation that is active; resolves with the exit code that follows from it. What it prints goes to
 * stderr, since stdout is for data (C-01).
 */
export async function runWhenActive(ctx: Context, command: string, r: Reservation): Promise<number> {
  const { code } = await ctx.runProgram(...shellCall(command, process.platform), "talk", {
    ...ctx.env,
    GPU_DEV_RESERVATION_ID: r.id,
    GPU_DEV_RESERVATION_NAME: r.name ?? "",
    GPU_DEV_SSH_HOST: sshAlias(r),
  });
  if (code === 0) return EXIT.ok;
  ctx.say(`The command of --exec ended with code ${code}; the reservation is active all the same`);
  return EXIT.error;
}
