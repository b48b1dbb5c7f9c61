/** What the database has, beside what the drivers report; it changes nothing (B-11). What the sweeps mend by themselves is told as well. */
import { CHECK_PARTS, type Check, type Difference } from "../api/check.ts";
import { Problem } from "../api/errors.ts";
import { listGiven, listMiscounted } from "../store/allocations.ts";
import { activePods } from "../store/reservations.ts";
import { isFinal } from "./change.ts";
import type { Core } from "./core.ts";
import { compareDisks, isThere } from "./disks/compare.ts";
import { diskEngine } from "./disks/host.ts";
import { capacityRow, offeredIndices } from "./gpus/devices.ts";
import type { Caller } from "./people/access.ts";
import { requireAdmin } from "./people/administrators.ts";
import { strayPods } from "./pods/compare.ts";
import { bounded, driverWords, wordsOf } from "./pods/pod.ts";

/** Whoever asks waits for it. */
const PATIENCE_MS = 8000;

type Part = Check["parts"][number];

/** For administrators. Throws Problem not_allowed. */
export async function checkDeployment(core: Core, caller: Caller, patienceMs = PATIENCE_MS): Promise<Check> {
  requireAdmin(caller, "the deployment is checked by administrators");
  const looks: Record<Part["part"], () => Promise<Look>> = {
    allocations: () => checkAllocations(core, patienceMs),
    pods: () => checkPods(core, patienceMs),
    disks: () => checkDisks(core, patienceMs),
  };
  const parts = await Promise.all(CHECK_PARTS.map((part) => look(core, part, looks[part])));
  const has = (status: Part["status"]) => parts.some((part) => part.status === status);
  const status = has("differences") ? "differences" : has("unknown") ? "unknown" : "ok";
  return { checked_at: (await core.store.now()).toISOString(), status, parts };
}

/** What was found where it could be looked, and what could not be asked, in words. */
interface Look {
  readonly differences: Difference[];
  readonly unasked: readonly string[];
}

/** A driver that cannot be asked has not said that there are no differences. */
async function look(core: Core, part: Part["part"], work: () => Promise<Look>): Promise<Part> {
  try {
    const { differences, unasked } = await work();
    const status = differences.length > 0 ? "differences" : unasked.length > 0 ? "unknown" : "ok";
    const error = unasked.length > 0 ? [...new Set(unasked)].join("; ") : null;
    return { part, status, error, differences };
  } catch (cause) {
    if (cause instanceof Problem) throw cause;
    core.log("warn", { part, err: cause }, "a part of the deployment could not be checked");
    const error = driverWords(cause) ?? "it failed; the server's log says how";
    return { part, status: "unknown", error, differences: [] };
  }
}

async function checkAllocations(core: Core, ms: number): Promise<Look> {
  const offers = await bounded("capacity", core.driver.capacity(), ms);
  const { given, miscounted } = await core.store.read(async (db) => ({
    given: await listGiven(db),
    miscounted: await listMiscounted(db),
  }));
  const place = (node: string, type: string, index: number) => `${node} ${type} ${index}`;
  const offered = new Set(
    offers
      .map((offer) => capacityRow(offer, ""))
      .flatMap((row) => offeredIndices(row).map((index) => place(row.node, row.gpu_type, index))),
  );
  // What a node has that cannot be asked is known from before, or not at all.
  const faults = new Map(offers.flatMap(({ node, fault }) => (fault === undefined ? [] : [[node, fault]])));
  const unoffered = given.filter((one) => !offered.has(place(one.node, one.gpu_type, one.gpu_index)));
  const [unknown = [], known = []] = [true, false].map((is) =>
    unoffered.filter(({ node }) => faults.has(node) === is),
  );
  const differences = [
    ...known.map(({ node, gpu_type, gpu_index, reservation_id }) => ({
      kind: "unoffered_gpu",
      id: node,
      detail: `${gpu_type} ${gpu_index} is held by ${reservation_id}, and the driver does not report it`,
    })),
    ...given.filter(isFinal).map(({ node, gpu_type, gpu_index, reservation_id, state }) => ({
      kind: "leaked_gpu",
      id: node,
      detail: `${gpu_type} ${gpu_index} is held by ${reservation_id}, which is ${state}`,
    })),
    ...miscounted.map(({ id, should, holds }) => ({
      kind: "miscounted_gpus",
      id,
      detail: `holds ${holds} of the ${should} places that it should have`,
    })),
  ];
  return { differences, unasked: unknown.map(({ node }) => unaskedWords(node, faults.get(node) ?? "")) };
}

const unaskedWords = (host: string, why: string): string => `host ${host} could not be asked: ${why}`;

async function checkPods(core: Core, ms: number): Promise<Look> {
  const before = await core.store.read(activePods);
  const { pods, orphans, misnamed, ...stray } = await strayPods(core, ms);
  const after = await core.store.read(activePods);
  const unasked = stray.unasked.map(({ host, why }) => unaskedWords(host, why));
  // What ended or began while this was looked at is no difference: each is asked for once more.
  const isAbsent = async (pod: string, node?: string): Promise<boolean | undefined> => {
    try {
      return (await bounded("inspect", core.driver.inspect(pod, { node }), ms)).state === "absent";
    } catch (error) {
      const words = wordsOf(error);
      // On a host that is named already, most likely.
      if (stray.unasked.length === 0) unasked.push(words);
      return undefined;
    }
  };
  const missing = [...before.keys()].filter((pod) => after.has(pod) && !pods.includes(pod));
  const gone = await kept(missing, async (pod) => (await isAbsent(pod, before.get(pod))) === true);
  const left = await kept(orphans, async (pod) => (await isAbsent(pod)) === false);
  const differences = [
    ...gone.map((id) => ({
      kind: "missing_pod",
      id,
      detail: "its reservation is active, and the driver knows no such pod",
    })),
    ...left.map((id) => ({ kind: "orphan_pod", id, detail: "no live reservation names it" })),
    ...misnamed.map((id) => ({ kind: "unknown_pod", id, detail: "we never gave a pod that name" })),
  ];
  return { differences, unasked };
}

async function checkDisks(core: Core, ms: number): Promise<Look> {
  const unasked: string[] = [];
  const look = async (host: string | null): Promise<Difference[]> => {
    try {
      return await checkHost(core, host, ms);
    } catch (error) {
      if (host === null) throw error;
      unasked.push(unaskedWords(host, wordsOf(error)));
      return [];
    }
  };
  const differences = (await Promise.all((core.disks?.names ?? []).map(look))).flat();
  return { differences, unasked };
}

async function checkHost(core: Core, host: string | null, ms: number): Promise<Difference[]> {
  const engine = diskEngine(core, host);
  const { unnamed, halfMade, missing } = await compareDisks(core, host, ms);
  const there = await kept(unnamed, (volume) => isThere(engine, volume, ms).catch(unreadable));
  const gone = await kept(missing, async (volume) => !(await isThere(engine, volume, ms)));
  return [
    ...there.map(({ id, is }) => ({ kind: `stray_${is}`, id, detail: "it is there, and no row names it" })),
    ...gone.map(({ id, is }) => ({
      kind: `missing_${is}`,
      id,
      detail: "a row names it, and it is not there",
    })),
    ...halfMade.map((id) => ({
      kind: "half_made_disk",
      id,
      detail: "a crash left it, and nothing makes it now",
    })),
  ];
}

/** It was listed: what cannot be read is there all the same, and hides no other. */
function unreadable(error: unknown): boolean {
  if (driverWords(error) === undefined) throw error;
  return true;
}

/** Those of which it is true, asked one after the other. */
async function kept<T>(all: readonly T[], is: (one: T) => Promise<boolean>): Promise<T[]> {
  const found: T[] = [];
  for (const one of all) if (await is(one)) found.push(one);
  return found;
}
