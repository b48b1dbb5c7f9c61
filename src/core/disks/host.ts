/** Where a disk is, and where a new one is made. A disk never moves: its clones, and what is restored from its snapshots, are beside it. */
import { setTimeout as pause } from "node:timers/promises";
import { Problem } from "../../api/errors.ts";
import { nearest } from "../../api/nearest.ts";
import { hasLabels, labelWords } from "../../api/node-labels.ts";
import type { DiskEngine } from "../../drivers/disks.ts";
import { DriverError } from "../../drivers/driver.ts";
import { listCapacity } from "../../store/capacity.ts";
import { listCordons } from "../../store/cordons.ts";
import type { DiskRow } from "../../store/disk-tables.ts";
import type { CapacityRow } from "../../store/gpu-tables.ts";
import type { Db, ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { labelsOf } from "../gpus/labels.ts";
import { wordsOf } from "../pods/pod.ts";

/** Who creates a disk is waiting: longer for the best of several hosts than to hear that the only one is away. */
const [CHOICE_MS, NO_CHOICE_MS] = [2000, 1000];

/** What works on the disks of a host. Throws DriverError where there is none. */
export function diskEngine({ disks }: Pick<Core, "disks">, host: string | null): DiskEngine {
  if (disks) return disks.on(host);
  throw new DriverError("this server has no disks now");
}

/** Of what cannot be asked there is only why; of what has not answered yet, neither: what works on disks may only be being put there. */
interface Room {
  readonly host: string | null;
  readonly bytes?: number;
  readonly fault?: string;
}

/**
 * The host of a new disk: the one that is wished for, else of those that take new reservations the one with the most room, as far as they
 * answer in time. Throws Problem invalid_input for one that is not known, impossible_request without disks, unavailable when none can be asked.
 */
export async function chooseHost(core: Core, wish: string | undefined): Promise<string | null> {
  const { disks } = core;
  if (!disks) throw new Problem("impossible_request", "this server has no disks");
  if (disks.names.includes(null)) return requireNone(wish);
  const names = disks.names.filter((name) => name !== null);
  if (wish !== undefined && !names.includes(wish)) throw unknownHost(wish, names);
  const hosts = wish === undefined ? await takingNew(core, names) : [wish];
  const patienceMs = hosts.length > 1 ? CHOICE_MS : NO_CHOICE_MS;
  const rooms = await Promise.all(hosts.map((host) => roomOn(core, host, patienceMs)));
  const [best] = rooms
    .filter(({ fault }) => fault === undefined)
    .sort((one, other) => (other.bytes ?? -1) - (one.bytes ?? -1));
  if (best) return best.host;
  const faults = rooms.map(({ host, fault }) => `${host}: ${fault}`).join("; ");
  throw new Problem("unavailable", `no disk can be created now; ${faults}`, { retryAfter: 5 });
}

function requireNone(wish: string | undefined): null {
  if (wish === undefined) return null;
  throw badNode("all nodes of this server have the same disks; leave it out");
}

function unknownHost(wish: string, names: readonly string[]): Problem {
  const meant = nearest(wish, names);
  const hint = meant === undefined ? undefined : `did you mean ${meant}?`;
  return badNode(`there is no node ${JSON.stringify(wish)} with disks; there are: ${names.join(", ")}`, hint);
}

const badNode = (detail: string, hint?: string): Problem =>
  new Problem("invalid_input", `node: ${detail}`, {
    hint,
    errors: [{ field: "node", code: "invalid", detail }],
  });

/** Those that are not cordoned; all, if all of them are. */
async function takingNew(core: Core, names: readonly string[]): Promise<readonly string[]> {
  const cordoned = new Set((await core.store.read(listCordons)).map(({ node }) => node));
  const taking = names.filter((name) => !cordoned.has(name));
  return taking.length === 0 ? names : taking;
}

async function roomOn(core: Core, host: string, patienceMs: number): Promise<Room> {
  try {
    const asked = diskEngine(core, host).room();
    const late = pause(patienceMs, { host }, { ref: false });
    return await Promise.race([asked.then((bytes) => ({ host, bytes })), late]);
  } catch (error) {
    return { host, fault: wordsOf(error) };
  }
}

/** Throws Problem impossible_request when no node can have the disk, or none that can ever has what is asked for with it. */
export async function requireNode(
  core: Core,
  db: Db,
  { name, host }: DiskRow,
  {
    gpu_type,
    places,
    gpu_count,
    node_labels,
  }: Pick<ReservationRow, "gpu_type" | "places" | "gpu_count" | "node_labels">,
): Promise<void> {
  requireEngine(core, { name, host });
  if (host === null) return;
  const wanted = labelsOf(node_labels);
  const suits = (offer: CapacityRow): boolean =>
    offer.places >= places && hasLabels(labelsOf(offer.labels), wanted);
  const offers = await listCapacity(db, gpu_type);
  const there = offers.filter((offer) => offer.host === host);
  if (there.some(suits)) return;
  const most = Math.max(0, ...there.map((offer) => offer.places));
  const less = most === 0 ? `has no ${gpu_type}` : `has only ${most} ${gpu_type}, not ${gpu_count}`;
  const lacks = most < places ? less : `does not have ${labelWords(wanted)}`;
  const other = offers.find((offer) => offer.host !== host && suits(offer));
  throw new Problem(
    "impossible_request",
    `disk ${name} is on node ${host}, which ${lacks}, and a disk does not move`,
    {
      hint:
        other === undefined
          ? "reserve without the disk, or what that node has: gpu-dev admin nodes"
          : `reserve without it, or make one there: gpu-dev disk create NAME --node ${other.node}`,
    },
  );
}

/** The server may have had another driver, or other hosts, when the disk was made. */
function requireEngine(core: Core, { name, host }: Pick<DiskRow, "name" | "host">): void {
  try {
    diskEngine(core, host);
  } catch (cause) {
    if (!(cause instanceof DriverError)) throw cause;
    throw new Problem("impossible_request", `no node can have disk ${name}: ${cause.message}`, {
      hint: "reserve without it",
      cause,
    });
  }
}
