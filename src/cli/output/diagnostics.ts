/** What is the matter with a reservation, in labels and words: what `show --why` prints. */

import type { Diagnostics } from "../../api/diagnostics.ts";
import { formatDuration } from "../../api/duration.ts";
import { toned } from "./cell.ts";
import type { Cell, Output } from "./output.ts";
import type { Tone } from "./paint.ts";
import { eventRow, stateTone } from "./reservation.ts";
import { ago, startBy, until } from "./time.ts";

/** The answer of `show --why`. */
export function describeDiagnostics(d: Diagnostics, now: Date): Output {
  const rows: Cell[][] = [
    ["id", d.id],
    ["name", d.name ?? ""],
    ["owner", d.owner],
    ["state", toned(`${d.state} for ${formatDuration(d.state_age_s, "down")}`, stateTone(d.state))],
    ["reason", d.reason ?? ""],
    ["start", d.state === "queued" ? startBy(d.latest_start_at, now) : ""],
    ["node", d.node ?? ""],
    ["ssh", sshWords(d, now)],
    ["driver", podCell(d)],
    ["last error", d.last_error ?? ""],
    ["next", nextWords(d, now)],
    ["over by", d.deadline_at === null ? "" : until(d.deadline_at, now)],
    ["in hand", d.in_hand_until === null ? "" : "a server works on it now"],
  ];
  return {
    json: d,
    rows: [...rows.filter(([, value]) => value !== ""), ...d.events.map((event) => eventRow(event, now))],
  };
}

function sshWords({ ssh: { attempts, last } }: Diagnostics, now: Date): Cell {
  if (last === null) return "not tried yet";
  const tries = `${attempts} ${attempts === 1 ? "try" : "tries"}`;
  const how = last.ok ? "it worked" : `${last.cause}${last.detail === null ? "" : ` (${last.detail})`}`;
  return joined(`${tries}, the last `, ago(last.at, now), `: ${how}`);
}

const POD_TONES: Readonly<Partial<Record<Diagnostics["pod"]["state"], Tone>>> = {
  running: "good",
  starting: "warn",
  dead: "bad",
};

function podCell({ pod }: Diagnostics): Cell {
  if (pod.state === "none") return "nothing was launched yet";
  if (pod.state === "unknown") return toned(pod.detail ?? "could not be asked", "warn");
  const detail = pod.detail === null ? "" : `: ${pod.detail}`;
  return toned(`says that ${pod.name} is ${pod.state}${detail}`, POD_TONES[pod.state]);
}

function nextWords({ next }: Diagnostics, now: Date): Cell {
  if (next === null) return "nothing: it is over";
  return joined(`${next.detail}, `, next.at === null ? "nobody can tell when" : until(next.at, now), "");
}

/** Words around a time: relative on a terminal, an instant in a pipe. */
function joined(before: string, time: Cell, after: string): Cell {
  if (typeof time === "string") return `${before}${time}${after}`;
  return { text: `${before}${time.text}${after}`, value: `${before}${time.value}${after}` };
}
