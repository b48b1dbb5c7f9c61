/** What the commands of tokens share. */
import type { RevokeMade } from "../../api/made.ts";
import { SCOPES } from "../../api/token-routes.ts";
import type { Values } from "../command.ts";
import { UsageError } from "../errors.ts";
import { choice, duration, flag, parsed } from "../options.ts";

/** Those that people make; the last is the server's own. */
const makeable = SCOPES.filter((scope) => scope !== "pod");

export const scopeOption = choice("--scope <SCOPE>", "What it is good for (default: user)", makeable);
export const expiresOption = parsed(
  "--expires <DURATION>",
  "How long it is good for: 12h, 30d; at most 366d (default: 90d, or as long as your own)",
  duration,
);

const keepMade = flag("--keep-made", "Leave alone what was made with it, your own tokens included");
export const withOthersOption = flag(
  "--with-others",
  "Also what was made with it for other users; for administrators",
);
export const madeOptions = { keepMade, withOthers: withOthersOption };

/** As the API has it; undefined for its default. Throws UsageError for both. */
export function madeOf({ keepMade, withOthers }: Values<typeof madeOptions>): RevokeMade {
  if (keepMade && withOthers)
    throw new UsageError("--keep-made and --with-others exclude each other", "Leave one of them out.");
  return keepMade ? "keep" : withOthers ? "all" : undefined;
}
