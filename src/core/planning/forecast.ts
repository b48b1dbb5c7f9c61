/** What a request to reserve would come to: it is made as always, looked at, and undone. */
import type { Forecast } from "../../api/forecast.ts";
import type { CreateReservation } from "../../api/reservations.ts";
import { allocationsOf } from "../../store/allocations.ts";
import type { Tx } from "../../store/db.ts";
import type { ReservationRow } from "../../store/tables.ts";
import type { Core } from "../core.ts";
import { checkTrust, insertAndPlace } from "../create.ts";
import { findGpuType } from "../gpus/inventory.ts";
import { preparingMs } from "../lifecycle.ts";
import type { Caller } from "../people/access.ts";
import { decided } from "../race.ts";
import { viewReservations } from "../view.ts";
import { nodesOf } from "./promises.ts";

/** Thrown to undo the transaction, with what was seen in it. */
class Undone extends Error {
  readonly forecast: Forecast;
  constructor(forecast: Forecast) {
    super("undone as intended");
    this.forecast = forecast;
  }
}

/** Creates nothing. Throws the same Problems as createReservation. */
export async function forecastReservation(
  core: Core,
  caller: Caller,
  input: CreateReservation,
): Promise<Forecast> {
  checkTrust(core, caller);
  const tried = decided(() =>
    core.store.write(
      async (tx): Promise<never> => {
        throw new Undone(await foresee(core, tx, caller, input));
      },
      { lock: "schedule" },
    ),
  );
  return tried.catch((error: unknown) => {
    if (error instanceof Undone) return error.forecast;
    throw error;
  });
}

async function foresee(core: Core, tx: Tx, caller: Caller, input: CreateReservation): Promise<Forecast> {
  const row = await insertAndPlace(core, tx, caller, input);
  const [seen] = await viewReservations(core, tx.db, [row], caller);
  const latest_start_at = row.state === "queued" ? row.promised_start_at : tx.at;
  return {
    gpu_type: row.gpu_type,
    gpu_count: row.gpu_count,
    duration_s: row.duration_s,
    simulated: row.simulated === 1,
    latest_start_at,
    latest_end_at: latest_start_at && endAfter(latest_start_at, row),
    nodes: await nodesFor(tx, row),
    price: await priceOf(core, tx, row),
    queue_position: seen?.queue_position ?? null,
    reason: seen?.reason ?? null,
  };
}

/** For each GPU, or for the one place of a type without GPUs, as long as was asked for. */
async function priceOf(core: Core, tx: Tx, row: ReservationRow): Promise<number | null> {
  const perHour = (await findGpuType(core, tx.db, row.gpu_type))?.price_per_hour ?? null;
  return perHour === null ? null : Math.round((perHour * Math.max(1, row.gpu_count) * row.duration_s) / 3600);
}

const endAfter = (start: string, row: ReservationRow): string =>
  new Date(Date.parse(start) + preparingMs(row) + row.duration_s * 1000).toISOString();

async function nodesFor(tx: Tx, row: ReservationRow): Promise<string[]> {
  if (row.state === "queued") return nodesOf(row);
  return [...new Set((await allocationsOf(tx.db, [row.id])).map((a) => a.node))];
}
