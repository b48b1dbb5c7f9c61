/** The contract's shapes of lifting the maximum of one reservation. */
import * as z from "zod";
import { MAX_DURATION_S } from "./reservations.ts";
import { instant } from "./schemas.ts";

export const liftReservation = z
  .strictObject({
    until: instant.optional().describe("Its new end; rounded up to a whole second more than it has"),
    extend_s: z
      .int()
      .min(1, "must be more than 0")
      .max(MAX_DURATION_S)
      .optional()
      .describe("Seconds to add to its end"),
    reason: z.string().trim().min(1).max(300).describe("Why, for its owner and the audit trail"),
  })
  .refine(
    ({ until, extend_s }) => (until === undefined) !== (extend_s === undefined),
    "give until or extend_s, one of them",
  );
export type LiftReservation = z.infer<typeof liftReservation>;

export const liftedReservation = z.object({
  id: z.string(),
  name: z.string().nullable(),
  owner: z.string(),
  duration_s: z.int().describe("With all extensions"),
  ends_at: instant.nullable(),
});
export type LiftedReservation = z.infer<typeof liftedReservation>;
