/** The contract's shapes of what was made with a token or by a linked login. */
import * as z from "zod";

const counts = {
  tokens: z.int(),
  logins: z.int().describe("Logins at providers that were linked"),
};

export const madeWith = z.object({
  own: z.object(counts).describe("Of its own user"),
  others: z.object({ ...counts, users: z.int().describe("How many these are") }).describe("Of other users"),
});
export type MadeWith = z.infer<typeof madeWith>;

/** What went with something that was revoked or unlinked, and what did not. */
export const withMade = {
  also_revoked: madeWith.describe(
    "What was made with it, or with that in turn, was good until now and went with it",
  ),
  left: madeWith.describe("What was made with it, or with that in turn, and is still good"),
};

const OWN = "`own` (default): what is of the same user goes, what was made for others stays";
const ALL = "`all`: that goes, too, which only administrators ask for";

export const revokeTokenQuery = z.strictObject({
  made: z
    .enum(["own", "all", "keep"])
    .optional()
    .describe(
      `What becomes of the tokens and linked logins that were made with it, and with these in turn. ${OWN}; ${ALL}; \`keep\`: nothing goes`,
    ),
});
export type RevokeMade = z.output<typeof revokeTokenQuery>["made"];

export const unlinkQuery = z.strictObject({
  made: z
    .enum(["own", "all"])
    .optional()
    .describe(`What becomes of what came of it, and of that in turn. ${OWN}; ${ALL}`),
});
