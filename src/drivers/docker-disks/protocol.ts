/**
 * How a server talks with the agent that works on disks where they are: lines of JSON, one for each message, both ways, of many calls
 * at a time. An empty line only says that its writer is still there. Both ends are of one version: the server brings the agent along.
 */
import type { DiskEngine, DiskUse, SnapshotUse } from "../disks.ts";

type Simple = "measure" | "contents" | "remove" | "list" | "quarantine" | "expireQuarantine";

/** What can be asked for. */
export interface Calls extends Pick<DiskEngine, Simple | "discardHalfMade" | "room"> {
  create(disk: string, sizeBytes: number): Promise<void>;
  snapshot(disk: string, snapshot: string, inUse: boolean): Promise<SnapshotUse>;
  restore(snapshot: string, target: string, sizeBytes: number): Promise<DiskUse>;
  clone(source: string, target: string, sizeBytes: number): Promise<DiskUse>;
  resize(disk: string, sizeBytes: number): Promise<void>;
  /** Makes a disk ready to be a pod's home. */
  attach(disk: string): Promise<void>;
}

export type Verb = keyof Calls;
export type Arguments<V extends Verb> = Parameters<Calls[V]>;
export type Answer<V extends Verb> = Awaited<ReturnType<Calls[V]>>;

/** `agreed` answers `made`. */
export type Asked =
  | { readonly id: number; readonly verb: Verb; readonly args: readonly unknown[] }
  | { readonly id: number; readonly agreed: boolean }
  | { readonly id: number; readonly stop: true };

/** What goes wrong: it could not be done now (DriverError), not at all (DiskRefused), or a pod cannot have the disk (LaunchRefused). */
export type Fault = "now" | "refused" | "launch";

/** `made`: all of it, and it counts once the server agrees. */
export type Said =
  | { readonly id: number; readonly done: number; readonly total?: number | undefined }
  | { readonly id: number; readonly made: true }
  | { readonly id: number; readonly fault: Fault; readonly words: string }
  | { readonly id: number; readonly answer: unknown };

/** Instead of a call's id: the agent cannot begin. */
export const AGENT_ITSELF = 0;

export const lineOf = (message: Asked | Said): string => `${JSON.stringify(message)}\n`;
export const HERE = "\n";
