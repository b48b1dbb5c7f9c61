/** How a reservation is worded, everywhere the same. */
import { id8 } from "../../api/names.ts";
import type { Reservation, ReservationEvent, State } from "../../api/reservations.ts";
import { toned } from "./cell.ts";
import type { Cell } from "./output.ts";
import type { Tone } from "./paint.ts";
import { ago, clockTime, startBy, timeLeft, until } from "./time.ts";

/** What the user calls it: its name, else the beginning of its id. */
export const label = (r: Pick<Reservation, "id" | "name">): string => r.name ?? id8(r.id);

/** The host alias that our ssh configuration knows; of several nodes, all but the first are numbered. */
export const sshAlias = (r: Reservation, node = 0): string =>
  `gpu-dev-${id8(r.id)}${node === 0 ? "" : `-${node}`}`;

/** "2 × h100 (simulated)"; a type without GPUs is its name alone. */
export function gpus(
  r: Pick<Reservation, "gpu_count" | "gpu_type" | "simulated"> & { readonly node_count?: number },
): string {
  const count = r.gpu_count > 0 ? `${r.gpu_count} × ` : "";
  const nodes = (r.node_count ?? 1) > 1 ? ` on ${r.node_count} nodes` : "";
  return `${count}${r.gpu_type}${nodes}${r.simulated ? " (simulated)" : ""}`;
}

/** What matters next: the time left, or the place in the queue and when it starts. */
export function outlook(r: Reservation, now: Date): Cell {
  if (r.state === "active") return timeLeft(r.ends_at, now);
  if (r.state !== "queued") return "";
  const start = startOf(r, now);
  const place = r.queue_position === null ? "" : `#${r.queue_position}, `;
  if (typeof start === "string") return start;
  const words = start.value === "unknown" ? "start unknown" : start.text;
  return { text: `${place}${words}`, value: start.value };
}

/** When one that is queued starts: at its own time, or by the promised one. */
export const startOf = (r: Reservation, now: Date): Cell =>
  r.start_at !== null && r.start_at === r.estimated_start_at
    ? until(r.start_at, now)
    : startBy(r.latest_start_at, now);

const TONES: Readonly<Record<State, Tone>> = {
  queued: "warn",
  preparing: "warn",
  active: "good",
  ending: "warn",
  expired: "dim",
  cancelled: "dim",
  failed: "bad",
};

/** Its state, in the colour that fits. */
export const stateCell = ({ state }: Pick<Reservation, "state">): Cell => toned(state, TONES[state]);

export const stateTone = (state: State): Tone => TONES[state];

export const isFinal = (r: Reservation): boolean => ["expired", "cancelled", "failed"].includes(r.state);

/** "hello is cancelled", with the reason when there is one: for one that is ending or has ended. */
export function endedWords(r: Reservation, context = ""): string {
  const state = r.state === "failed" ? "failed" : `is ${r.state}`;
  return `${label(r)} ${state}${context}${r.reason === null ? "" : `: ${r.reason}`}`;
}

/** "since 14:02, ends at 16:02 unless it is used", in the user's local time; empty for one that is in use. */
export function idleWords({ idle_since: since, idle_ends_at: end }: Reservation): Cell {
  if (!since) return "";
  const words = `since ${clockTime(since)}${end ? `, ends at ${clockTime(end)} unless it is used` : ""}`;
  return { text: words, value: since };
}

/** An entry of the history: when, what, and more of it. */
export function eventRow(event: ReservationEvent, now: Date): Cell[] {
  const at = ago(event.at, now);
  const detail = event.detail === null ? "" : `: ${event.detail}`;
  const words = `${event.type}${detail}`;
  if (typeof at === "string") return [`event ${event.version}`, `${at} ${words}`];
  return [`event ${event.version}`, { text: `${at.text}, ${words}`, value: `${at.value} ${words}` }];
}
