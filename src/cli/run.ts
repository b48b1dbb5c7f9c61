/** One run of the command line: parse, run, print; a failure becomes its message and its exit code. */
import { EXIT } from "../api/errors.ts";
import { setAside } from "./config/corrupt-file.ts";
import type { Context, Outside } from "./context.ts";
import { createContext } from "./create-context.ts";
import { failureOf } from "./errors.ts";
import { guessGlobal } from "./global.ts";
import { blameVersions } from "./http/versions.ts";
import { print, printJson } from "./output/output.ts";
import { type Call, parse } from "./parse.ts";
import { sayFailure } from "./say-failure.ts";

/** Carries out `argv` (without node and script) and resolves with the exit code; never rejects. */
export async function run(argv: readonly string[], outside: Outside): Promise<number> {
  let ctx = createContext(outside, guessGlobal(argv));
  try {
    const call = await parse(argv, outside.io);
    if (!call) return EXIT.ok;
    ctx = createContext(outside, call.global);
    return await carryOut(call, ctx);
  } catch (error) {
    return await reportFailure(error, ctx);
  }
}

async function carryOut(call: Call, ctx: Context): Promise<number> {
  // Before anything is done: a field that does not exist would be told after a change was made.
  if (ctx.global.fields) (await import("./fields.ts")).checkFields(call.path, ctx.global.fields);
  const result = await call.command.run(call.args, call.options, ctx);
  if (result === undefined) return EXIT.ok;
  if (typeof result === "number") return result;
  await print(ctx, result);
  return result.exit ?? EXIT.ok;
}

async function reportFailure(error: unknown, ctx: Context): Promise<number> {
  const failure = failureOf(blameVersions(setAside(error, ctx.clock), ctx.seen));
  if (ctx.global.json) printJson(ctx, failure.document);
  else await sayFailure(ctx, failure);
  for (let cause = error; cause instanceof Error; cause = cause.cause)
    ctx.detail(cause.stack ?? cause.message);
  return failure.exit;
}
