/** The contract's shapes of builds: a context is announced, its tar file comes in parts, and a reservation names it. */
import * as z from "zod";
import { instant } from "./schemas.ts";

/** Bytes of one part: a slow line sends it well within the time that a request may take. */
export const PART_BYTES = 1024 * 1024;

export const build = z.object({
  id: z.string(),
  digest: z.string().describe("SHA-256 of the context's tar file, in hex"),
  dockerfile: z.string().describe("Within the context"),
  bytes: z.int(),
  received: z.int().describe("How many have come; the next part begins there"),
  created_at: instant,
});
export type Build = z.infer<typeof build>;

/** True for a relative path that leads to nothing outside of where it begins. */
const isInside = (path: string): boolean =>
  !path.startsWith("/") && !/[\0\\]/.test(path) && !path.split("/").includes("..");

export const createBuild = z.strictObject({
  digest: z.string().regex(/^[0-9a-f]{64}$/, "SHA-256 in lower-case hex"),
  bytes: z
    .int()
    .min(1024, "a tar file ends with 1024 bytes of zeros")
    .max(2 ** 40),
  dockerfile: z
    .string()
    .min(1)
    .max(255)
    .refine((path) => isInside(path), "is no path within the context"),
});
export type CreateBuild = z.infer<typeof createBuild>;

export const partQuery = z.strictObject({
  offset: z
    .string()
    .regex(/^\d{1,13}$/, "a number of bytes")
    .transform(Number)
    .optional()
    .describe("Where the part belongs; default: at the beginning"),
});
export const part = z.instanceof(Uint8Array<ArrayBuffer>);
