/** What the commands of tokens share. */
import { SCOPES } from "../../api/token-routes.ts";
import { choice, duration, flag, parsed } from "../options.ts";

/** Those that people make; the last is the server's own. */
const makeable = SCOPES.filter((scope) => scope !== "pod");

export const scopeOption = choice("--scope <SCOPE>", "What it is good for (default: user)", makeable);
export const expiresOption = parsed(
  "--expires <DURATION>",
  "How long it is good for: 12h, 30d; at most 366d (default: 90d, or as long as your own)",
  duration,
);
export const keepMadeOption = flag("--keep-made", "Leave the tokens alone that were made with it");
