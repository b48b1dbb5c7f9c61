/** The one shape in which failures are told: what went wrong and why, then what to do. */
import type { Context } from "./context.ts";
import type { Failure } from "./errors.ts";

/** Tells it on stderr; `about` is what it is of, where several things are done. */
export async function sayFailure(ctx: Context, { message, hint }: Failure, about?: string): Promise<void> {
  ctx.io.stderr.write(await mark(ctx));
  ctx.say(about === undefined ? message : `${about}: ${message}`);
  if (hint !== undefined) ctx.say(asSentence(hint));
}

/** The word that starts a failure; red where colours are wanted. */
async function mark(ctx: Context): Promise<string> {
  if (ctx.colour.stderr === 0) return "error: ";
  const { createPaint } = await import("./output/paint.ts");
  return createPaint(ctx.colour.stderr).tone("bad", "error: ");
}

/** The server's hints begin as its details do, in the middle of a sentence; names and flags stay as they are. */
const asSentence = (hint: string): string =>
  /^[a-z]+(?![\w-])/.test(hint) ? hint.charAt(0).toUpperCase() + hint.slice(1) : hint;
