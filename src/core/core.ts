/** What every rule needs, in one plain object that is passed by hand. */
import { EventEmitter } from "node:events";
import type { OutsideService } from "../api/breaker.ts";
import type { Problem } from "../api/errors.ts";
import { type DiskEngine, type DiskHosts, forAllNodes } from "../drivers/disks.ts";
import type { Driver } from "../drivers/driver.ts";
import type { Store } from "../store/db.ts";
import { Refusals } from "./audit/refusals.ts";
import { type CallFault, watchDisks, watchDriver } from "./calls.ts";
import { type Catalogue, NO_CATALOGUE } from "./gpus/catalogue.ts";
import type { BuildContexts } from "./images/contexts.ts";
import type { Sealer } from "./images/seal.ts";
import type { Logins } from "./logins/providers.ts";
import { TokenUses } from "./people/token-uses.ts";
import type { KeptPlan } from "./planning/kept-plan.ts";
import type { Probe } from "./pods/probe.ts";
import { type Trace, untraced } from "./trace.ts";

type LogLevel = "debug" | "info" | "warn" | "error";
export type Log = (level: LogLevel, fields: Readonly<Record<string, unknown>>, message: string) => void;

/** What pods may be made of, for a driver that has images. */
export interface ImageSettings {
  /** Whole names, where * is anything; undefined for all. */
  readonly allow?: readonly string[] | undefined;
  /** Those that wait to be built. */
  readonly contexts: BuildContexts;
  readonly contextMaxBytes: number;
  /** Seconds for which a built image that nobody uses is kept. */
  readonly keepS: number;
  readonly sealer: Sealer;
}

interface Settings {
  /** Hosts are `<id>.<domain>`. */
  readonly domain: string;
  /** Seconds after which a pod that nobody uses is ended; undefined for never. */
  readonly idleAfterS?: number | undefined;
  /** Seconds for which the audit trail is kept; 0 for ever. Default: 400 days. */
  readonly auditRetentionS?: number | undefined;
  readonly images?: ImageSettings | undefined;
}

/** Told within this process, after the change is committed; who misses one sees it in the database a little later. */
interface Signals {
  /** Something may be due now. */
  wake: [];
  /** These reservations were changed, by this server or by another one. */
  changed: [ids: readonly string[], elsewhere: boolean];
  /** A reservation is over: its tunnels are closed with this. */
  ended: [reservationId: string, why: Problem];
  /** A reservation became active after so long in `preparing`; `verifyingMs` are from the launch to the first login. */
  activated: [took: { readonly preparingMs: number; readonly verifyingMs: number }];
  /** A call of the driver or of the disks is over, however it ended. */
  called: [verb: string, ms: number];
  /** One failed, or does not answer. */
  fault: [verb: string, fault: CallFault];
  /** A webhook was posted to. */
  posted: [outcome: PostOutcome];
  /** The configuration was read again, or should have been. */
  reloaded: [outcome: ReloadOutcome];
}

/** "unreadable": the file could not be read; "invalid": what stands in it is wrong. Both change nothing. */
export const RELOAD_OUTCOMES = ["taken", "unreadable", "invalid"] as const;
export type ReloadOutcome = (typeof RELOAD_OUTCOMES)[number];

/** "retried": it was not taken, and is tried again. */
export const POST_OUTCOMES = ["delivered", "retried", "given_up"] as const;
type PostOutcome = (typeof POST_OUTCOMES)[number];

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** How webhooks are reached. */
export interface WebhookSender {
  /** Why nothing is ever posted to this URL, in words, as far as the URL itself says; undefined when nothing speaks against it. */
  fault(url: string): string | undefined;
  /** Posts once, within a bounded time; why it was not taken, in words without the URL's secrets, or undefined when it was. */
  post(post: Post, signal: AbortSignal): Promise<string | undefined>;
}

/** The text of an account's keys, undefined when there is no such account. Throws Problem unavailable. */
export type GithubKeys = (name: string) => Promise<string | undefined>;

export interface Core {
  readonly store: Store;
  readonly driver: Driver;
  /** Where named disks live; undefined when there are none. */
  readonly disks?: DiskHosts | undefined;
  readonly settings: Settings;
  /** What the operator says of GPU types; asked each time, since it may change. */
  readonly catalogue: () => Catalogue;
  readonly log: Log;
  readonly trace: Trace;
  readonly probe: Probe;
  readonly githubKeys?: GithubKeys | undefined;
  /** Who knows people; without it, they come with tokens only. */
  readonly logins?: Logins | undefined;
  /** What this process asks outside of the deployment, and the places that its driver asks. */
  readonly services: readonly OutsideService[];
  readonly webhooks: WebhookSender;
  readonly signals: EventEmitter<Signals>;
  /** By GPU type, the last plan that was made here. */
  readonly plans: Map<string, KeptPlan>;
  readonly tokenUses: TokenUses;
  readonly refusals: Refusals;
}

export interface CoreParts {
  readonly store: Store;
  readonly driver: Driver;
  /** One engine serves all nodes. */
  readonly disks?: DiskEngine | DiskHosts | undefined;
  readonly settings: Settings;
  /** Default: nothing is said. */
  readonly catalogue?: () => Catalogue;
  readonly log: Log;
  /** How the first ssh login is proved. */
  readonly probe: Probe;
  /** How an account's published keys are had; without it, only users of this server can be added to a reservation. */
  readonly githubKeys?: GithubKeys | undefined;
  /** Who knows people; without it, they come with tokens only. */
  readonly logins?: Logins | undefined;
  /** Beside the places of the driver. */
  readonly services?: readonly OutsideService[];
  /** Default: all are refused. */
  readonly webhooks?: WebhookSender;
  /** Default: nothing is traced. */
  readonly trace?: Trace;
  /** Default: none yet. */
  readonly plans?: Map<string, KeptPlan>;
}

const REFUSED = "this server posts to no webhooks";
const noWebhooks: WebhookSender = { fault: () => REFUSED, post: async () => REFUSED };

/** The rules' context around a store and a driver. */
export function createCore(parts: CoreParts): Core {
  const signals = new EventEmitter<Signals>();
  const { store, log, disks, trace = untraced } = parts;
  store.watch({
    changed: (ids, elsewhere) => signals.emit("changed", ids, elsewhere),
    trouble(err) {
      if (err)
        log("warn", { err }, "changes by other servers are not heard of; they are seen a second later");
      else log("info", {}, "changes by other servers are heard of again");
    },
  });
  const watcher = { signals, trace };
  return {
    catalogue: () => NO_CATALOGUE,
    webhooks: noWebhooks,
    plans: new Map(),
    ...parts,
    services: [...(parts.services ?? []), ...(parts.driver.places ?? [])],
    driver: watchDriver(parts.driver, watcher),
    disks: disks && watchDisks("on" in disks ? disks : forAllNodes(disks), watcher),
    trace,
    signals,
    tokenUses: new TokenUses({ store, log }),
    refusals: new Refusals({ store, log }),
  };
}
