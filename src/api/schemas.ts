/** The contract's shapes that all share, and those of accounts. Input is strict (unknown fields are refused); replies tolerate what a newer server adds. */
import * as z from "zod";
import { isId, nameFault } from "./names.ts";

export const instant = z.iso.datetime({ precision: 3 });
export const id = z.string().refine(isId, "not an id");

/** A name by the rule of names.ts; the message shows the offending character and a name that would do. */
export const name = z.string().superRefine((value, ctx) => {
  const fault = nameFault(value);
  if (!fault) return;
  const hint = fault.suggestion === undefined ? "" : `; try ${JSON.stringify(fault.suggestion)}`;
  ctx.addIssue({ code: "custom", message: `${fault.detail}${hint}` });
});

export const publicKey = z.string().min(1).max(16_384).describe("One line of an OpenSSH public key file");
export const createKey = z.strictObject({ public_key: publicKey });
export const key = z.object({
  id: z.string(),
  type: z.string(),
  fingerprint: z.string().describe('"SHA256:…" as `ssh-keygen -l` prints it'),
  comment: z.string(),
  created_at: instant,
});
export type Key = z.infer<typeof key>;

export const me = z.object({ id: z.string(), name: z.string(), role: z.enum(["user", "admin"]) });

export const deployment = z.object({
  id: z.string(),
  version: z.string(),
  min_cli: z.string(),
  domain: z.string(),
  images: z
    .object({ context_max_bytes: z.int().describe("Of what an image is built from") })
    .nullable()
    .optional()
    .describe("There when reservations may choose what they run"),
});

export const health = z.object({
  status: z.enum(["ok", "failing"]),
  checks: z.record(z.string(), z.string()).describe('The failing part by name, "ok" for the others'),
  services: z
    .record(z.string(), z.enum(["ok", "down"]))
    .optional()
    .describe(
      "Services outside of the deployment, and what the driver asks, such as docker-host:NAME; one that is down makes it not ready to do only what needs it",
    ),
});
export type Health = z.infer<typeof health>;

/** A page of a list; `next_cursor` is null on the last one. */
export const page = <T extends z.ZodType>(item: T) =>
  z.object({ items: z.array(item), next_cursor: z.string().nullable() });

export const keyPage = page(key);
export interface Page<T> {
  readonly items: T[];
  readonly next_cursor: string | null;
}

export const idParams = z.strictObject({ id });
const limit = z
  .string()
  .regex(/^\d{1,3}$/, "a number from 1 to 500")
  .transform(Number)
  .refine((n) => n >= 1 && n <= 500, "a number from 1 to 500");
const cursor = z.string().min(1).max(512);
export const pageQuery = z.strictObject({ limit: limit.optional(), cursor: cursor.optional() });
export const noQuery = z.strictObject({});

export const problem = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string().describe("What went wrong, by a name that stays"),
  detail: z.string().describe("The same in words, which may change"),
  hint: z.string().optional().describe("What to do about it"),
  errors: z.array(z.object({ field: z.string(), code: z.string(), detail: z.string() })).optional(),
  request_id: z.string().optional().describe("By which the server's log has it"),
  retryable: z.boolean().describe("The same may work later"),
});
