/** What the API says of what was made with a token. */
import type { MadeWith } from "../../src/api/made.ts";

/** So much of the same user, and so many tokens of as many others. */
export const made = (tokens: number, logins = 0, others = 0): MadeWith => ({
  own: { tokens, logins },
  others: { tokens: others, logins: 0, users: others },
});
