/** The contract's shapes of what is said of a reservation while it lives: its own history, and what its pod's parts say. */
import * as z from "zod";
import { instant } from "./schemas.ts";

const LOG_SOURCES = ["life", "pod"] as const;

export const logLine = z.object({
  at: instant.describe("Of the pod's lines to the second"),
  source: z
    .enum(LOG_SOURCES)
    .describe('"life" is an entry of its history, "pod" a line of the pod\'s init or sshd'),
  text: z.string(),
});
export type LogLine = z.infer<typeof logLine>;

export const logPage = z.object({
  items: z.array(logLine).describe("Oldest first"),
  position: z.string().describe("What comes later is asked for with `after`"),
  ended: z.boolean().describe("Nothing will follow"),
  missing: z.string().nullable().describe("Why lines of the pod are missing, in words; null when none are"),
});
export type LogPage = z.infer<typeof logPage>;

/** Of the version, the attempt and the pod's line that were seen last. */
export const POSITION = /^\d{1,9}\.\d{1,6}\.\d{1,12}$/;

export const logsQuery = z.strictObject({
  tail: z
    .string()
    .regex(/^\d{1,3}$|^1000$/, "a number from 0 to 1000")
    .transform(Number)
    .optional()
    .describe("At most so many, the last ones; 100 unless told, and 1000 with `after`"),
  since: instant.optional().describe("None from before"),
  source: z.enum(LOG_SOURCES).optional().describe("Only these; both unless told"),
  node: z
    .string()
    .regex(/^\d{1,3}$/, "a number from 0 to 999")
    .transform(Number)
    .optional()
    .describe("The rank of the node whose pod is meant, of several; 0 unless told"),
  after: z.string().regex(POSITION, "the position that an earlier answer had").optional(),
});
export type LogsQuery = z.input<typeof logsQuery>;
