/** The contract's shape of a check: what the database and the drivers say differently. */
import * as z from "zod";
import { instant } from "./schemas.ts";

export const CHECK_PARTS = ["allocations", "pods", "disks"] as const;

const VERDICTS = ["ok", "differences", "unknown"] as const;

const difference = z.object({
  kind: z
    .string()
    .describe(
      "Such as orphan_pod, missing_pod, unoffered_gpu, miscounted_gpus, stray_disk, missing_snapshot",
    ),
  id: z.string().describe("Of the pod, reservation, disk or snapshot; of a GPU its node"),
  detail: z.string(),
});
export type Difference = z.infer<typeof difference>;

export const check = z.object({
  checked_at: instant,
  status: z.enum(VERDICTS).describe("unknown: no difference was found, and something could not be asked"),
  parts: z.array(
    z.object({
      part: z.enum(CHECK_PARTS),
      status: z.enum(VERDICTS),
      error: z.string().nullable().describe("Why it could not be asked"),
      differences: z.array(difference),
    }),
  ),
});
export type Check = z.infer<typeof check>;
