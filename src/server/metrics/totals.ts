/** What the database knows: counted there at each scrape, the same on every server, and gone on with after a restart (O-01, O-06). */
import { FINAL_STATES } from "../../api/reservations.ts";
import { FINDINGS } from "../../core/findings.ts";
import { PROBE_CAUSES } from "../../core/pods/probe.ts";
import { LIVE_STATES, type Totals } from "../../core/totals.ts";
import { diskFamilies } from "./disks.ts";
import { type Families, setTotal } from "./families.ts";

/** Declares them; the answer takes what was counted. */
export function totalFamilies(families: Families): (totals: Totals) => void {
  const setReservations = reservations(families);
  const setTypes = types(families);
  const setTallies = tallies(families);
  const setDisks = diskFamilies(families);
  return (totals) => {
    setReservations(totals);
    setTypes(totals);
    setTallies(totals);
    setDisks(totals.disks);
  };
}

function reservations(families: Families): (totals: Totals) => void {
  const live = families.gauge("gpu_dev_reservations", "Reservations that are not over, by state", {
    state: LIVE_STATES,
  });
  const oldest = families.gauge(
    "gpu_dev_oldest_reservation_seconds",
    "For how long the reservation that has been in this state the longest has been in it",
    { state: LIVE_STATES },
  );
  const created = families.counter("gpu_dev_reservations_created_total", "Reservations that were ever made");
  const ended = families.counter(
    "gpu_dev_reservations_ended_total",
    "Reservations that are over, by how they ended",
    { state: FINAL_STATES },
  );
  return ({ reservations: counts, oldest: ages }) => {
    for (const state of LIVE_STATES) {
      live.set({ state }, counts.get(state) ?? 0);
      oldest.set({ state }, (ages.get(state) ?? 0) / 1000);
    }
    setTotal(
      created,
      [...counts.values()].map((count) => [{}, count]),
    );
    setTotal(
      ended,
      FINAL_STATES.map((state) => [{ state }, counts.get(state) ?? 0]),
    );
  };
}

function types(families: Families): (totals: Totals) => void {
  const capacity = families.gauge(
    "gpu_dev_capacity",
    "GPUs by type and status; places, for a type without GPUs",
    { gpu_type: [], status: [] },
  );
  const queue = families.gauge("gpu_dev_queue_length", "Reservations that wait, by GPU type", {
    gpu_type: [],
  });
  return (totals) => {
    capacity.reset();
    queue.reset();
    for (const { gpuType, queued, ...counts } of totals.types) {
      for (const status of ["free", "used", "unavailable"] as const)
        capacity.set({ gpu_type: gpuType, status }, counts[status]);
      queue.set({ gpu_type: gpuType }, queued);
    }
  };
}

function tallies(families: Families): (totals: Totals) => void {
  const unproved = families.counter(
    "gpu_dev_ssh_verification_failures_total",
    "First logins that were tried in vain, by cause",
    { cause: PROBE_CAUSES },
  );
  const findings = families.counter(
    "gpu_dev_findings_total",
    "What the reconciler found and nobody had asked for, by kind",
    { kind: FINDINGS },
  );
  return (totals) => {
    setTotal(
      unproved,
      PROBE_CAUSES.map((cause) => [{ cause }, totals.unproved.get(cause) ?? 0]),
    );
    setTotal(
      findings,
      FINDINGS.map((kind) => [{ kind }, totals.findings.get(kind) ?? 0]),
    );
  };
}
