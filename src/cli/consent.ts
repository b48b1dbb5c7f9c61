/** Asking before something is done that is hard to undo. */
import type { Context } from "./context.ts";
import { Declined, UsageError } from "./errors.ts";

/** Returns once the user agrees. Throws Declined, and UsageError where nobody can be asked. */
export async function agree(ctx: Context, yes: boolean, question: string): Promise<void> {
  if (yes) return;
  if (!ctx.interactive) throw new UsageError("--yes is missing", `It answers: ${question}`);
  if (!(await ctx.prompts.confirm(question))) throw new Declined();
}

/** The same before another program's file is changed (C-22). */
export const agreeToLine = (ctx: Context, yes: boolean, file: string, line: string): Promise<void> =>
  agree(ctx, yes, `Add one line to ${file}: ${line}?`);
