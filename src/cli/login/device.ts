/** A login that a person finishes in a browser, on this machine or another one. */
import { RefusedRequest } from "../../api/client.ts";
import { EXIT } from "../../api/errors.ts";
import type { Login } from "../../api/logins.ts";
import type { Context } from "../context.ts";
import { CliError, Unreachable } from "../errors.ts";
import { clockTime } from "../output/time.ts";
import type { Done, Finish, Result } from "./carry-out.ts";

/** A server or a provider that cannot be asked may be back the next time; so many times in a row. */
const TRIES = 5;
const RETRY_S = 5;

/** Shows the code, and asks until it was entered. Throws RefusedRequest when it was refused or is too old, CliError `interrupted`. */
export async function waitForPerson<R extends Result>(
  ctx: Context,
  begun: Login,
  finish: Finish<R>,
): Promise<Done<R>> {
  const { device, login } = begun;
  if (!device) throw new Error(`a login with ${begun.with} has no code`);
  ctx.say(`${wordsFor(device)}; it is good until ${clockTime(begun.expires_at)}.`);
  const interrupt = ctx.watchInterrupt();
  try {
    let pauseS = device.interval_s;
    for (let failures = 0; ; ) {
      await ctx.clock.sleep(pauseS * 1000, interrupt.signal);
      const result = await ask(ctx, () => finish({ login }), ++failures < TRIES);
      if (result?.state === "done") return result as Done<R>;
      if (result) failures = 0;
      pauseS = result?.interval_s ?? RETRY_S;
    }
  } catch (error) {
    if (!interrupt.signal.aborted) throw error;
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted: nothing came of that login", {
      cause: error,
    });
  } finally {
    interrupt.stop();
  }
}

function wordsFor({
  verification_uri,
  verification_uri_complete,
  user_code,
}: NonNullable<Login["device"]>): string {
  return verification_uri_complete === null
    ? `Open ${verification_uri} in a browser and enter the code ${user_code}`
    : `Open ${verification_uri_complete} in a browser and confirm the code ${user_code}`;
}

/** Undefined when it could not be asked now, and may be again. */
async function ask<T>(ctx: Context, finish: () => Promise<T>, again: boolean): Promise<T | undefined> {
  try {
    return await finish();
  } catch (error) {
    const passing =
      error instanceof Unreachable || (error instanceof RefusedRequest && error.problem.retryable);
    if (!again || !passing) throw error;
    ctx.detail(`${error.message}; asking again`);
    return undefined;
  }
}
