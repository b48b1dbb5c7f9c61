/** Asking before another program's file is changed (C-22). */
import type { Context } from "./context.ts";
import { Declined, UsageError } from "./errors.ts";

/** Returns once the user agrees to one line in `file`. Throws Declined, and UsageError where nobody can be asked. */
export async function agreeToLine(ctx: Context, yes: boolean, file: string, line: string): Promise<void> {
  if (yes) return;
  if (!ctx.interactive) throw new UsageError("--yes is missing", `It agrees to one line in ${file}: ${line}`);
  if (!(await ctx.prompts.confirm(`Add one line to ${file}: ${line}?`))) throw new Declined();
}
