/**
 * Where GPUs come from. Words: a *node* holds GPUs; a *pod* is what a reservation runs in, named `<id>-<attempt>`,
 * on several nodes (a *gang*) `<id>-<attempt>-<rank>`.
 * Every verb is idempotent by the pod's name. "Absent" is an answer; "could not ask" is an exception (DriverError).
 */
import type { Duplex } from "node:stream";
import type { OutsideService } from "../api/breaker.ts";
import type { DiskHosts } from "./disks.ts";

export interface NodeCapacity {
  readonly node: string;
  readonly gpuType: string;
  /** GPUs in one place: 1, or 0 for a type without GPUs (then `places` bounds how many pods fit). */
  readonly gpusPerPlace: 0 | 1;
  /** How many can be given out: GPUs, or places of a type without GPUs. */
  readonly places: number;
  /** Their indices, where they are not 0 to places - 1: a GPU that is cut into slices leaves a gap. */
  readonly indices?: readonly number[];
  /** For slices of another type's GPUs: index i is a part of that type's GPU floor(i / perGpu). */
  readonly slice?: { readonly of: string; readonly perGpu: number };
  readonly healthy: boolean;
  /** Why it is not healthy, in words. */
  readonly fault?: string;
  readonly simulated: boolean;
  readonly maxDurationS: number;
  /** The machine whose disks its pods can have (disks.ts); without it, all nodes have the same disks. */
  readonly host?: string;
  /** What the operator says of the node. */
  readonly labels?: Readonly<Record<string, string>>;
}

/** What the operator states beside what a driver finds out. */
export interface StatedTypes {
  /** Types without GPUs, on each real node. */
  readonly withoutGpus: readonly { readonly gpuType: string; readonly places: number }[];
  readonly cuts: readonly Cut[];
}

/** On `node`, the GPUs of type `of` with these indices are `perGpu` slices of type `gpuType` each. */
export interface Cut {
  readonly node: string;
  readonly gpuType: string;
  readonly of: string;
  readonly perGpu: number;
  readonly gpus: readonly number[];
}

/** What a pod of several has to know of the others. */
export interface Gang {
  /** 0 to size - 1. */
  readonly rank: number;
  readonly size: number;
  /** Where each is, by rank. */
  readonly nodes: readonly string[];
  /** With this key (OpenSSH's private key format) each may log in to each; it is among the authorized keys. */
  readonly privateKey: string;
  /** All have the same host key, as in known_hosts: "ssh-ed25519 AAAA…". */
  readonly hostKey: string;
}

export interface PodSpec {
  readonly name: string;
  readonly reservationId: string;
  readonly node: string;
  readonly gpuType: string;
  /** Indices of the allocated GPUs on the node; empty for a type without GPUs. */
  readonly gpus: readonly number[];
  readonly simulated: boolean;
  /** The ssh host key in OpenSSH's private key format; made by the server. */
  readonly hostKey: string;
  /** Lines of authorized_keys. */
  readonly authorizedKeys: readonly string[];
  /** Seconds from now after which the pod ends itself, even if nobody tells it to. */
  readonly deadlineS: number;
  /** Names and values that every session in the pod sees. */
  readonly environment: Readonly<Record<string, string>>;
  /** For one of several nodes; undefined for a pod that is alone. */
  readonly gang?: Gang;
  /** Its home, by the id that the disk engine (disks.ts) knows it by; without it the home goes with the pod. */
  readonly disk?: { readonly volume: string };
  /** Only for a driver that has images; without it, the driver's own. */
  readonly image?: PodImage;
  /** True: the image's own entrypoint runs beside sshd. */
  readonly keepEntrypoint?: true;
  /** Its owner's at registries, by host as image-reference.ts has it: for this pod's image alone, and never to be seen inside of it. */
  readonly registryLogins?: Readonly<Record<string, RegistryLogin>>;
}

/** What a pod's file system is made of. */
export type PodImage =
  | { readonly ref: string }
  | {
      readonly build: {
        /** Names the image that comes of it: the same for the same contents, and another one for each owner. */
        readonly key: string;
        /** Whose it is: a build takes no step from what another owner's made. */
        readonly owner: string;
        /** A tar file of this machine. */
        readonly context: string;
        /** Within it. */
        readonly dockerfile: string;
      };
    };

export interface RegistryLogin {
  readonly username: string;
  readonly password: string;
}

export interface PodUpdate {
  /** Seconds from now; absolute in effect, so sending it twice does no harm. */
  readonly deadlineS?: number;
  readonly authorizedKeys?: readonly string[];
  /**
   * Lines of text for whoever is in the pod, about its end and about its idleness: shown once in each of its terminals, and kept, both,
   * in the file NOTICE_FILE of its home. The same text again does nothing; an empty one takes what was said about that away.
   */
  readonly endNotice?: string;
  readonly idleNotice?: string;
}

/** In the home of a pod. */
export const NOTICE_FILE = "GPU_DEV_NOTICE";

/** What goes on in a pod that runs. */
export interface Activity {
  /** Open ssh connections, those of a tunnel that waits for its client included. */
  readonly sessions: number;
  /** Whether one of its GPUs works; false for a pod without GPUs. */
  readonly gpuBusy: boolean;
}

/** What a driver knows, or why it does not, in words. */
export type Known<T> = T | { readonly unknown: string };

/** What a pod uses of its node, at one moment. */
export interface PodUsage {
  /** That moment, in milliseconds of a clock that only goes forward. */
  readonly atMs: number;
  /** Seconds of CPU time so far, and how many CPUs it may keep busy at once. */
  readonly cpu: Known<{ readonly usedS: number; readonly cpus: number }>;
  readonly memory: Known<{ readonly usedBytes: number; readonly limitBytes: number }>;
  /** So far. */
  readonly network: Known<{ readonly receivedBytes: number; readonly sentBytes: number }>;
  /** In the order of its spec; empty for a pod without GPUs, or with simulated ones. */
  readonly gpus: Known<readonly GpuUsage[]>;
  /** The file system that its home is on. */
  readonly home: Known<{ readonly usedBytes: number; readonly totalBytes: number }>;
}

/** What a GPU does not tell is null. */
export interface GpuUsage {
  /** Of the last moment, in which it worked. */
  readonly busyPercent: number | null;
  readonly usedBytes: number | null;
  readonly totalBytes: number | null;
}

/** A line of what the pod's own parts (its init, its sshd) said. */
export interface LogLine {
  /** 1, 2, … within one pod. */
  readonly number: number;
  /** ISO 8601 in UTC; to the second. */
  readonly at: string;
  readonly text: string;
}

export type PodView =
  | { readonly state: "absent" }
  | { readonly state: "starting"; readonly reason: string }
  | {
      readonly state: "running";
      readonly activity?: Activity | undefined;
      readonly remark?: string | undefined;
    }
  | { readonly state: "dead"; readonly reason: string };

export interface InspectAsk {
  /** Also what goes on in it, where the driver can tell; that takes longer. */
  readonly activity?: boolean | undefined;
  /** Also what its user may miss in it, though it runs; for a moment at which somebody wonders. */
  readonly remark?: boolean | undefined;
  /** Where it was placed: it is there or nowhere, so that other nodes need not be asked. */
  readonly node?: string | undefined;
}

/** What is not in it is nowhere, but for the hosts that could not be asked. */
export interface PodList {
  readonly pods: readonly string[];
  readonly unasked: readonly UnaskedHost[];
}

export interface UnaskedHost {
  /** As `host` of its nodes. */
  readonly host: string;
  /** In words for users. */
  readonly why: string;
}

/** The images that a driver built, by the key of PodImage. */
export interface BuiltImages {
  /** Whether every host that can be asked has it. */
  has(key: string): Promise<boolean>;
  /** All that any host has that can be asked. */
  list(): Promise<string[]>;
  /** From every host that can be asked, but for where a pod has it; at once when it is nowhere. */
  remove(key: string): Promise<void>;
  /** What builds that failed, or that nobody waited for any more, left behind a while ago. */
  removeLeftovers(): Promise<void>;
}

/** The images that a driver pulled for users. */
export interface PulledImages {
  /** Takes away, on every host that can be asked, what nobody has asked for in a long time; what others gave a name there keeps it. */
  removeUnused(): Promise<void>;
}

export type Later = (coming: Promise<void>) => void;

export interface Driver {
  readonly name: string;
  /** Undefined for a driver whose pods are given no image. */
  readonly builtImages?: BuiltImages;
  readonly pulledImages?: PulledImages;
  /** How pods are kept apart; "processes" is one trust domain, for administrators only. */
  readonly isolation: "namespaces" | "processes" | "containers";
  /** The account that users log in to. */
  readonly sshUser: string;
  /** Where the driver keeps the disks of its pods, if it does itself. */
  readonly disks?: DiskHosts;
  /** What it asks, each behind a breaker of its own, as this process has found it. */
  readonly places?: readonly OutsideService[];
  capacity(): Promise<NodeCapacity[]>;
  /**
   * Resolves once the pod is accepted; again with the same name is the same pod. One that is still to come then, since its image is,
   * gives `later` what resolves when it is there, and rejects when it will not be. Throws LaunchRefused for good, DriverError to try again.
   */
  launch(spec: PodSpec, later?: Later): Promise<void>;
  inspect(name: string, ask?: InspectAsk): Promise<PodView>;
  update(name: string, change: PodUpdate): Promise<void>;
  /** Resolves when nothing of the pod is left; at once when there is none. `node` as in InspectAsk. */
  terminate(name: string, node?: string): Promise<void>;
  /** All pods of this deployment, dead ones included. Throws DriverError when nobody could be asked. */
  list(): Promise<PodList>;
  /** A byte stream to a TCP port of the pod (22 is its sshd). Rejects with DriverError when nothing answers. */
  dial(name: string, port: number): Promise<Duplex>;
  /**
   * The last of what the pod's own parts said, oldest first and bounded, without secrets: those with a number above `after`. Of a pod that is
   * gone the end of it, as far as it is kept; none of one that nobody knows. `node` as in InspectAsk.
   */
  logs(name: string, after?: number, node?: string): Promise<LogLine[]>;
  /** What a pod that runs uses. Throws DriverError for one that does not run. */
  usage(name: string): Promise<PodUsage>;
  /**
   * Tells of pods that may be in another state than before, as it hears of it, until the result is called. What it misses is found by who
   * asks now and then, as it is with a driver that hears of nothing and has no such verb.
   */
  watch?(changed: (pod: string) => void): () => void;
  close(): Promise<void>;
}

/** The driver could not be asked, or could not do it now: nothing is known about the pod. */
export class DriverError extends Error {
  override readonly name = "DriverError";
}

/** Whoever would have to be asked does not answer, and may come back. */
export class HostAway extends DriverError {}

/** The pod cannot be launched, and trying again would not help. */
export class LaunchRefused extends Error {
  override readonly name = "LaunchRefused";
}
