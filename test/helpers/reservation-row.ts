/** A row of the table of reservations. */
import type { ReservationRow } from "../../src/store/tables.ts";

/** Queued for one h100 since `at`, but for what is given. */
export function reservationRow(at: string, given: Partial<ReservationRow>): ReservationRow {
  return {
    id: "a".repeat(20),
    seq: 1,
    owner_id: "u",
    name: null,
    state: "queued",
    state_since: at,
    reason: null,
    gpu_type: "h100",
    gpu_count: 1,
    places: 1,
    simulated: 0,
    duration_s: 3600,
    created_at: at,
    queue_deadline: at,
    preparing_deadline: null,
    started_at: null,
    ends_at: null,
    ended_at: null,
    end_state: null,
    node: null,
    isolation: null,
    ssh_user: null,
    host_key: null,
    attempt: 0,
    ssh_attempts: 0,
    last_error: null,
    ghost_since: null,
    version: 1,
    next_step_at: at,
    leased_by: null,
    leased_until: null,
    ...given,
  };
}
