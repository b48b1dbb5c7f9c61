/** /v1/reservations */

import { createReservation } from "../../core/create.ts";
import { diagnose } from "../../core/diagnostics.ts";
import { cancelReservation, patchReservation } from "../../core/edit.ts";
import { liftMaximum } from "../../core/lift.ts";
import { getReservation, listEvents, listReservations } from "../../core/listing.ts";
import { adviseReservation } from "../../core/planning/advice.ts";
import { forecastReservation } from "../../core/planning/forecast.ts";
import { readLogs } from "../../core/pods/logs.ts";
import { readUsage } from "../../core/pods/usage.ts";
import type { Handlers } from "../handler.ts";

export const reservations = {
  async listReservations({ core, caller, query }) {
    return { body: await listReservations(core, caller, query) };
  },
  async createReservation({ core, caller, body, idempotency }) {
    const { reservation, replayed } = await createReservation(core, caller, body, idempotency);
    return { body: reservation, replayed, reservationId: reservation.id };
  },
  async planReservation({ core, caller, body }) {
    return { body: await forecastReservation(core, caller, body) };
  },
  async getReservation({ core, caller, params }) {
    return { body: await getReservation(core, caller, params.id) };
  },
  async patchReservation({ core, caller, params, body, at }) {
    return { body: await patchReservation(core, caller, params.id, body, at) };
  },
  async liftReservation({ core, caller, params, body }) {
    return { body: await liftMaximum(core, caller, params.id, body) };
  },
  async cancelReservation({ core, caller, params, at }) {
    return { body: await cancelReservation(core, caller, params.id, at) };
  },
  async listAdvice({ core, caller, params }) {
    return { body: await adviseReservation(core, caller, params.id) };
  },
  async getDiagnostics({ core, caller, params }) {
    return { body: await diagnose(core, caller, params.id) };
  },
  async listEvents({ core, caller, params, query }) {
    return { body: await listEvents(core, caller, params.id, query) };
  },
  async listLogs({ core, caller, params, query }) {
    return { body: await readLogs(core, caller, params.id, query) };
  },
  async getUsage({ core, caller, params }) {
    return { body: await readUsage(core, caller, params.id) };
  },
} satisfies Partial<Handlers>;
