/** What can be followed: where its events come from, what they bring, and how the same is asked for without them. */
import type { ServerEvent } from "../../api/event-stream.ts";
import type { Availability } from "../../api/inventory.ts";
import type { LogPage, LogsQuery } from "../../api/logs.ts";
import type { PodUsage } from "../../api/pod-usage.ts";
import type { ListReservationsQuery, Reservation, ReservationEvent } from "../../api/reservations.ts";
import type { Page } from "../../api/schemas.ts";
import type { Context } from "../context.ts";
import { allPages } from "../http/all-pages.ts";
import { isFinal } from "../output/reservation.ts";

export interface Feed<T> {
  /** Path and query of the stream. */
  readonly path: string;
  /** What an event brings; undefined for one that brings nothing by itself. */
  take(event: ServerEvent): T | undefined;
  /** The present state, by a request of its own. */
  ask(ctx: Context, signal: AbortSignal): Promise<T>;
  /** Whether nothing follows a state: a stream says so by itself. */
  isOver?(state: T): boolean;
}

/** One reservation. */
export const reservationFeed = (id: string): Feed<Reservation> => ({
  path: `/v1/reservations/${id}/events`,
  take: ({ event, data }) => (event === "reservation" ? (JSON.parse(data) as Reservation) : undefined),
  ask: (ctx, signal) => ctx.api().getReservation({ params: { id }, signal }),
  isOver: isFinal,
});

export interface WithHistory {
  readonly reservation: Reservation;
  readonly events: readonly ReservationEvent[];
}

/** One reservation with its history, whose entries come one by one. */
export function historyFeed(id: string): Feed<WithHistory> {
  let events: readonly ReservationEvent[] = [];
  return {
    path: `/v1/reservations/${id}/events`,
    take({ event, data }) {
      if (event === "entry") events = [...events, JSON.parse(data) as ReservationEvent];
      return event === "reservation" ? { reservation: JSON.parse(data) as Reservation, events } : undefined;
    },
    async ask(ctx, signal) {
      const reservation = await ctx.api().getReservation({ params: { id }, signal });
      const page = await ctx.api().listEvents({ params: { id }, query: { limit: "500" }, signal });
      return { reservation, events: page.items };
    },
    isOver: ({ reservation }) => isFinal(reservation),
  };
}

/** What is said of one reservation: each state is what came since the one before. */
export function logFeed(id: string, query: LogsQuery): Feed<LogPage> {
  let next = query;
  const seen = (page: LogPage): LogPage => {
    const { tail: _, ...rest } = query;
    next = { ...rest, after: page.position };
    return page;
  };
  return {
    path: `/v1/reservations/${id}/logs?${new URLSearchParams(query as Record<string, string>)}`,
    take: ({ event, data }) => (event === "lines" ? seen(JSON.parse(data) as LogPage) : undefined),
    ask: async (ctx, signal) => seen(await ctx.api().listLogs({ params: { id }, query: next, signal })),
    isOver: ({ ended }) => ended,
  };
}

/** What one reservation uses. It has no events of its own: it is asked for now and then. */
export const usageFeed = (id: string): Feed<PodUsage> => ({
  path: `/v1/reservations/${id}/usage`,
  take: () => undefined,
  ask: (ctx, signal) => ctx.api().getUsage({ params: { id }, signal }),
});

/** What is free, asked for now and then as well. */
export const availabilityFeed: Feed<Page<Availability>> = {
  path: "/v1/availability",
  take: () => undefined,
  ask: (ctx, signal) => allPages((query) => ctx.api().listAvailability({ query, signal })),
};

/** The newest of a list, as many as a page can have. */
export function listFeed(given: ListReservationsQuery): Feed<Page<Reservation>> {
  const query: ListReservationsQuery = { ...given, limit: "500" };
  return {
    path: `/v1/reservations?${new URLSearchParams(query as Record<string, string>)}`,
    take: ({ event, data }) => (event === "list" ? (JSON.parse(data) as Page<Reservation>) : undefined),
    ask: (ctx, signal) => ctx.api().listReservations({ query, signal }),
  };
}
