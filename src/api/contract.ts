/** Routes and schemas together: what the server validates with and what the OpenAPI document is made of. */
import type * as z from "zod";
import type { RouteName } from "./routes.ts";
import * as s from "./schemas.ts";

interface Shape {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly reply: z.ZodType;
}

export const contract = {
  listReservations: { query: s.listReservationsQuery, reply: s.reservationPage },
  createReservation: { body: s.createReservation, reply: s.reservation },
  planReservation: { body: s.createReservation, reply: s.forecast },
  getReservation: { params: s.reservationParams, reply: s.reservation },
  patchReservation: { params: s.reservationParams, body: s.patchReservation, reply: s.reservation },
  cancelReservation: { params: s.reservationParams, reply: s.reservation },
  listAdvice: { params: s.reservationParams, reply: s.advicePage },
  listEvents: { params: s.reservationParams, query: s.listEventsQuery, reply: s.eventPage },
  listGpuTypes: { reply: s.gpuTypePage },
  listAvailability: { reply: s.availabilityPage },
  listNodes: { reply: s.nodePage },
  cordonNode: { params: s.nodeParams, reply: s.node },
  uncordonNode: { params: s.nodeParams, reply: s.node },
  listDisks: { query: s.pageQuery, reply: s.diskPage },
  listKeys: { query: s.pageQuery, reply: s.keyPage },
  createKey: { body: s.createKey, reply: s.key },
  getMe: { reply: s.me },
  getDeployment: { reply: s.deployment },
  getHealth: { reply: s.health },
  getReady: { reply: s.health },
} as const satisfies Record<RouteName, Shape>;

type In<T> = T extends z.ZodType ? z.input<T> : undefined;
type Field<R extends RouteName, K extends string> = K extends keyof (typeof contract)[R]
  ? In<(typeof contract)[R][K]>
  : undefined;

/** What a client passes to a route, and what it gets; types only, so that importing them loads nothing. */
export interface RouteTypes<R extends RouteName> {
  readonly params: Field<R, "params">;
  readonly query: Field<R, "query">;
  readonly body: Field<R, "body">;
  readonly reply: z.infer<(typeof contract)[R]["reply"]>;
}
