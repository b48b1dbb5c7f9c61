/** The contract's shapes of disks, their snapshots, and the operations on them. Null is "not yet" or "none". */
import * as z from "zod";
import { instant, name, page, pageQuery } from "./schemas.ts";

const MIB = 2 ** 20;

/** The smallest and the largest size of a disk, in bytes. */
const sizeBytes = z
  .int()
  .min(16 * MIB, `must be at least ${16 * MIB} (16Mi)`)
  .max(2 ** 50, `must be at most ${2 ** 50} (1024Ti)`);

const HOUR_S = 3600;

/** When a snapshot is taken by itself: after each reservation with the disk, or never. */
export const SNAPSHOT_POLICIES = ["on_end", "never"] as const;
/** What lists are sorted by; "-" is the largest first. */
const DISK_ORDERS = ["name", "-name", "created_at", "-created_at"] as const;
export type DiskOrder = (typeof DISK_ORDERS)[number];
type SnapshotPolicy = (typeof SNAPSHOT_POLICIES)[number];
export const DISK_STATES = ["creating", "ready", "in_use", "busy", "lost", "deleted"] as const;
export type DiskState = (typeof DISK_STATES)[number];
/** restore makes a new disk, or replaces what is on one; purge takes away what was deleted long ago; measure counts what is used. */
export const OPERATION_KINDS = [
  "create",
  "snapshot",
  "restore",
  "clone",
  "resize",
  "purge",
  "measure",
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];
const OPERATION_STATES = ["queued", "running", "done", "failed"] as const;
const SNAPSHOT_STATES = ["taking", "ready"] as const;

const snapshot = z.object({
  id: z.string(),
  disk_id: z.string(),
  state: z.enum(SNAPSHOT_STATES),
  note: z.string().nullable(),
  reservation_id: z
    .string()
    .nullable()
    .describe("The reservation after which it was taken; null for one that was asked for"),
  used_bytes: z.int().nullable(),
  files: z.int().nullable(),
  created_at: instant,
  taken_at: instant.nullable().describe("What it holds is as of then"),
  in_use: z
    .boolean()
    .nullable()
    .describe("Whether a reservation ran with the disk while it was taken; null while it is being taken"),
  files_changing: z
    .int()
    .nullable()
    .describe("Of one that was in use: files that kept changing, which are as they were at one of the tries"),
});
export type Snapshot = z.infer<typeof snapshot>;

export const disk = z.object({
  id: z.string(),
  name: z.string(),
  node: z
    .string()
    .nullable()
    .describe(
      "Where it is, with its snapshots: reservations with it start there. Null: every node can have it",
    ),
  state: z
    .enum(DISK_STATES)
    .describe(
      "in_use: by a reservation. busy: something else is done with it. lost: the node that it was on is gone for good",
    ),
  lost_at: instant
    .nullable()
    .describe("Since when its node counts as gone for good; null while it does not, or does not any more"),
  size_bytes: z.int(),
  used_bytes: z.int().nullable().describe("As of `used_at`"),
  used_at: instant.nullable(),
  limits_enforced: z.boolean().describe("Whether more than `size_bytes` is refused, and how, in words"),
  limits: z.string(),
  snapshot_policy: z.enum(SNAPSHOT_POLICIES),
  snapshot_every_s: z.int().nullable().describe("So often also while a reservation runs with it"),
  held_by: z
    .object({ id: z.string(), name: z.string().nullable() })
    .nullable()
    .describe("The reservation that has it, from its creation on"),
  held_until: instant.nullable().describe("When that ends as it stands; it may be extended, or end earlier"),
  operation_id: z.string().nullable().describe("What goes on with it: the operation's id"),
  last_used_at: instant.nullable(),
  last_snapshot: z
    .object({
      id: z.string(),
      taken_at: instant,
      in_use: z.boolean(),
      files_changing: z.int().nullable(),
    })
    .nullable(),
  created_at: instant,
  deleted_at: instant.nullable(),
  purge_at: instant.nullable().describe("Until then it can be undeleted"),
  version: z.int().describe("Grows with each change; the ETag names it"),
});
export type Disk = z.infer<typeof disk>;

export const diskOperation = z.object({
  id: z.string(),
  kind: z.enum(OPERATION_KINDS),
  state: z.enum(OPERATION_STATES),
  disk_id: z.string(),
  new_disk_id: z
    .string()
    .nullable()
    .describe("The disk that it makes: create, clone, and restore as a new one"),
  snapshot_id: z.string().nullable().describe("The snapshot that it takes, or restores"),
  kept_snapshot_id: z
    .string()
    .nullable()
    .describe("The snapshot that a restore in place takes first, of what it replaces"),
  done_bytes: z.int(),
  total_bytes: z.int().nullable().describe("Null while it is not known"),
  error: z.string().nullable().describe("Why it failed, or while it goes on what went wrong last"),
  created_at: instant,
  started_at: instant.nullable(),
  finished_at: instant.nullable(),
});
export type DiskOperation = z.infer<typeof diskOperation>;

const diskEntry = z.object({
  name: z
    .string()
    .describe("Bytes that are no UTF-8, control characters and backslashes are written `\\xNN`"),
  kind: z.enum(["file", "directory", "link", "other"]),
  bytes: z.int(),
  modified_at: instant,
});
export type DiskEntry = z.infer<typeof diskEntry>;

export const diskPage = page(disk);
export const snapshotPage = page(snapshot);
export const diskOperationPage = page(diskOperation);
export const contentsPage = page(diskEntry).extend({ snapshot, path: z.string() });
export type ContentsPage = z.infer<typeof contentsPage>;

/** When snapshots are taken by themselves. */
const schedule = {
  snapshot_policy: z.enum(SNAPSHOT_POLICIES).optional(),
  snapshot_every_s: z
    .int()
    .min(HOUR_S, `must be at least ${HOUR_S} (1h)`)
    .max(30 * 24 * HOUR_S, `must be at most ${30 * 24 * HOUR_S} (30d)`)
    .nullable()
    .optional()
    .describe("Also so often while a reservation runs with it; not with the policy never"),
};
interface Schedule {
  readonly snapshot_policy?: SnapshotPolicy | undefined;
  readonly snapshot_every_s?: number | null | undefined;
}
const agrees = ({ snapshot_policy, snapshot_every_s }: Schedule): boolean =>
  snapshot_policy !== "never" || typeof snapshot_every_s !== "number";
const DISAGREES = "snapshot_every_s and the policy never exclude each other";

export const createDisk = z
  .strictObject({
    name,
    size_bytes: sizeBytes.optional().describe("Default: 100 GB"),
    node: z
      .string()
      .min(1)
      .max(200)
      .optional()
      .describe("Where it is to be, where disks are on several nodes. Default: the one with the most room"),
    ...schedule,
  })
  .refine(agrees, DISAGREES);
export type CreateDisk = z.infer<typeof createDisk>;

export const patchDisk = z
  .strictObject({ name: name.optional(), ...schedule })
  .refine(agrees, DISAGREES)
  .refine((p) => Object.values(p).some((value) => value !== undefined), "give at least one field");
export type PatchDisk = z.infer<typeof patchDisk>;

export const resizeDisk = z.strictObject({ size_bytes: sizeBytes });
/** The old name, unless another disk has it by now. */
export const undeleteDisk = z.strictObject({ name: name.optional() });
export const cloneDisk = z.strictObject({ name, size_bytes: sizeBytes.optional() });
export const restoreDisk = z.strictObject({
  snapshot: z.string().min(1).max(20).describe("A snapshot's id"),
  as: name
    .optional()
    .describe("The name of the new disk that it becomes; without one, it replaces what is on the disk"),
});
export type RestoreDisk = z.infer<typeof restoreDisk>;
export const createSnapshot = z.strictObject({ note: z.string().min(1).max(200).optional() });

export const listDisksQuery = pageQuery.extend({
  state: z.enum(["live", "deleted", "all"]).optional().describe("Default: live, all that are not deleted"),
  name: z.string().max(63).optional().describe("Exact name: of live ones at most one has it"),
  id_prefix: z
    .string()
    .regex(/^[a-z2-7]{4,20}$/, "4 to 20 characters of an id")
    .optional()
    .describe("Beginning of the id, 4 or more characters"),
  sort: z.enum(DISK_ORDERS).optional().describe('"-" is the largest first. Default: name'),
});
export const contentsQuery = pageQuery.extend({
  snapshot: z.string().min(1).max(20).optional().describe("A snapshot's id. Default: the last one"),
  path: z
    .string()
    .max(2000)
    .optional()
    .describe('A directory of the disk, as in "src/lib", with names as they are answered; default: its root'),
  cursor: z.string().min(1).max(3000).optional(),
});
