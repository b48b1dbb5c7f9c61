/** What the configuration file says and what may change while the server runs: the catalogue, the nodes' slices, the limits and where webhooks may go. */
import { isDeepStrictEqual } from "node:util";
import type { Catalogue, TypeSettings } from "../../core/gpus/catalogue.ts";
import type { StatedTypes } from "../../drivers/driver.ts";
import type { RequestLimits } from "../rate-limits.ts";
import type { WebhookRules } from "../webhook-sender.ts";
import { liveKeys, type SettingsFile } from "./schema.ts";

export interface Limits extends RequestLimits {
  readonly tunnelsPerReservation: number;
  readonly tunnelsPerUser: number;
}

/** Keys whose values are different: those that hold from now on, by their whole paths, and those that wait for a restart. */
export interface Change {
  readonly changed: readonly string[];
  readonly restart: readonly string[];
}

const DEFAULT_LIMITS: Limits = {
  // A developer with an editor, some shells and forwarded ports has about ten open.
  tunnelsPerReservation: 100,
  tunnelsPerUser: 200,
  // A loop that forgot to wait is held up, a script that asks for all that it has is not.
  requestsPerToken: 6000,
  requestsPerAddress: 30_000,
  failedLoginsPerAddress: 30,
};

export class LiveSettings {
  readonly #listeners: (() => Promise<void>)[] = [];
  #file: SettingsFile;
  #catalogue: Catalogue;
  #stated: StatedTypes;

  constructor(file: SettingsFile = {}) {
    this.#file = file;
    this.#catalogue = catalogueOf(file);
    this.#stated = statedTypes(file);
  }

  readonly catalogue = (): Catalogue => this.#catalogue;
  readonly stated = (): StatedTypes => this.#stated;
  readonly limits = (): Limits => ({
    tunnelsPerReservation: this.#file.limits?.tunnels_per_reservation ?? DEFAULT_LIMITS.tunnelsPerReservation,
    tunnelsPerUser: this.#file.limits?.tunnels_per_user ?? DEFAULT_LIMITS.tunnelsPerUser,
    requestsPerToken: this.#file.limits?.requests_per_token ?? DEFAULT_LIMITS.requestsPerToken,
    requestsPerAddress: this.#file.limits?.requests_per_address ?? DEFAULT_LIMITS.requestsPerAddress,
    failedLoginsPerAddress:
      this.#file.limits?.failed_logins_per_address ?? DEFAULT_LIMITS.failedLoginsPerAddress,
  });
  readonly corsOrigins = (): readonly string[] => this.#file.cors_origins ?? [];

  readonly webhooks = (): WebhookRules => ({
    allowPrivate: this.#file.webhooks?.allow_private ?? false,
    allowHosts: this.#file.webhooks?.allow_hosts ?? [],
  });

  /** Called by `tell`; what it throws is the caller's of that. */
  onChange(listener: () => Promise<void>): void {
    this.#listeners.push(listener);
  }

  /** Takes what may change; what is different now, also of what may not. */
  change(file: SettingsFile): Change {
    const change = changeOf(this.#file, file);
    this.#file = { ...this.#file, ...Object.fromEntries(liveKeys.map((key) => [key, file[key]])) };
    this.#catalogue = catalogueOf(file);
    this.#stated = statedTypes(file);
    return change;
  }

  /** Passes a change on to who depends on it. */
  async tell(): Promise<void> {
    for (const listener of this.#listeners) await listener();
  }
}

function changeOf(before: SettingsFile, after: SettingsFile): Change {
  const isLive = (key: string) => (liveKeys as readonly string[]).includes(key);
  const all = differentKeys(before, after);
  const restart = all.filter((key) => !isLive(key));
  const changed = all.filter(isLive).flatMap((key) => pathsOf(key, before[key as Live], after[key as Live]));
  return { changed, restart };
}

type Live = (typeof liveKeys)[number];

const differentKeys = (before: object, after: object): string[] => {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...keys].filter((key) => !isDeepStrictEqual(at(before, key), at(after, key)));
};

const at = (object: object, key: string): unknown => (object as Record<string, unknown>)[key];

/** What is different in it, by the whole path of each key. */
function pathsOf(path: string, before: unknown, after: unknown): string[] {
  if (!isMap(before) || !isMap(after)) return [path];
  return differentKeys(before, after).flatMap((key) =>
    pathsOf(`${path}.${key}`, at(before, key), at(after, key)),
  );
}

const isMap = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const catalogueOf = (file: SettingsFile): Catalogue =>
  new Map(Object.entries(file.gpu_types ?? {}).map(([name, type]) => [name, typeSettings(type)]));

function typeSettings(type: NonNullable<SettingsFile["gpu_types"]>[string]): TypeSettings {
  const {
    description,
    gpu_memory,
    cpus,
    memory,
    max_duration,
    idle_after,
    price_per_hour,
    slice_of,
    per_gpu,
  } = type;
  return {
    description: description ?? null,
    gpuMemory: gpu_memory ?? null,
    cpus: cpus ?? null,
    memory: memory ?? null,
    maxDurationS: max_duration ?? null,
    idleAfterS: idle_after ?? null,
    pricePerHour: price_per_hour ?? null,
    slice: slice_of === undefined ? null : { of: slice_of, perGpu: per_gpu ?? 1 },
    withoutGpus: type.places !== undefined,
  };
}

function statedTypes({ gpu_types = {}, nodes = {} }: SettingsFile): StatedTypes {
  return {
    withoutGpus: Object.entries(gpu_types).flatMap(([gpuType, { places }]) =>
      places === undefined ? [] : [{ gpuType, places }],
    ),
    cuts: Object.entries(nodes).flatMap(([node, { slices = {} }]) =>
      Object.entries(slices).map(([gpuType, gpus]) => {
        const { slice_of = "", per_gpu = 1 } = gpu_types[gpuType] ?? {};
        return { node, gpuType, of: slice_of, perGpu: per_gpu, gpus };
      }),
    ),
  };
}
