/** The contract's shapes of the audit trail. */
import * as z from "zod";
import { idParams, instant, page, pageQuery } from "./schemas.ts";

export const auditEntry = z.object({
  id: z.string(),
  at: instant,
  actor: z
    .string()
    .describe("Who: a user's id, `system`, `pod` (whoever is in the pod of the subject) or `anonymous`"),
  actor_name: z.string().describe("The user's name; for the others the same word"),
  action: z.string().describe("What, as `kind.verb`: `reservation.extended`, `token.revoke`, `tunnel.close`"),
  subject: z.string().describe("To what: its id or name; of a refusal the route that was asked for"),
  outcome: z.string().describe("`ok`, or the code with which it was refused"),
  from: z.string().nullable().describe("The address that it was asked from; null for what nobody asked for"),
  request_id: z.string().nullable().describe("By which the server's log has it"),
  detail: z.string().nullable().describe("More, in words"),
  data: z
    .record(z.string(), z.unknown())
    .nullable()
    .describe("More, by name; of a tunnel its bytes and how it ended"),
});
export type AuditEntry = z.infer<typeof auditEntry>;

const notBefore = ({ since, until }: { since?: string | undefined; until?: string | undefined }): boolean =>
  since === undefined || until === undefined || since <= until;

export const listAuditQuery = pageQuery
  .extend({
    user: z.string().min(1).max(100).optional().describe("By this user (a name), or system, pod, anonymous"),
    action: z
      .string()
      .regex(/^[a-z][a-z_ ]*(?:\.[a-z][a-z_ ]*)+$/, "is kind.verb, such as token.revoke")
      .max(100)
      .optional(),
    reservation: idParams.shape.id.optional().describe("What was done with this one, tunnels included"),
    outcome: z
      .string()
      .regex(/^[a-z_]+$/)
      .max(50)
      .optional()
      .describe("ok, not_allowed or not_logged_in"),
    since: instant.optional().describe("From then on"),
    until: instant.optional().describe("Before then"),
  })
  .refine(notBefore, { path: ["until"], message: "lies before since" });
export type ListAuditQuery = z.output<typeof listAuditQuery>;
export const auditPage = page(auditEntry);
