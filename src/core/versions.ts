/** What a change expects: that nobody was faster. */
import { Problem } from "../api/errors.ts";

/** Any of these; undefined is "whatever it is". */
export type Versions = readonly number[] | undefined;

/** What is to be changed, and at which version. */
export interface Target {
  readonly id: string;
  readonly at: Versions;
}

/** Throws Problem precondition_failed, which says what it `is` now. */
export function requireVersion({ version }: { readonly version: number }, at: Versions, is: string): void {
  if (at === undefined || at.includes(version)) return;
  throw new Problem("precondition_failed", `${is}, at version ${version}`, {
    hint: "get it again, look at what has changed, and send the change with its new ETag",
  });
}
