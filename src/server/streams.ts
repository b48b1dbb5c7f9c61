/** The streams of server-sent events: who may have how many, and what each of them shows. */
import { Problem } from "../api/errors.ts";
import { POSITION } from "../api/logs.ts";
import type { RouteName } from "../api/routes.ts";
import type { Core } from "../core/core.ts";
import { createLive, type Outlet, type Watch } from "../core/live.ts";
import type { Caller } from "../core/people/access.ts";
import { watchLogs } from "../core/pods/log-watch.ts";
import { createGuard, type Guard, watchList, watchReservation } from "../core/watches.ts";
import { createEventStream } from "./event-stream.ts";
import type { Given } from "./handler.ts";

/** A developer with some terminals and a dashboard has a handful. */
const MAX_PER_USER = 50;
const MAX = 2000;

export type StreamRoute = "listReservations" | "listEvents" | "listLogs";

interface StreamRequest {
  readonly token: string | undefined;
  readonly lastEventId: string | undefined;
}

export interface Streams {
  /** The stream of this route; its first look is done. Throws Problem: not_found, invalid_input, too_many_streams. */
  open(route: StreamRoute, given: Given<RouteName>, request: StreamRequest): Promise<Response>;
  /** Ends all, so that their clients go elsewhere. */
  close(): void;
}

type Opener = (given: Given<RouteName>, request: StreamRequest, guard: Guard, outlet: Outlet) => Watch;

/** Sound as the handlers are: what is given to a route was parsed by the contract of that route. */
const OPENERS: { readonly [R in StreamRoute]: Opener } = {
  listReservations(given, _request, guard, outlet) {
    const { core, query } = given as Given<"listReservations">;
    if (query.cursor !== undefined)
      throw invalid("cursor", "a list that is watched begins at its first page");
    return watchList(core, guard, query, outlet);
  },
  listEvents(given, { lastEventId }, guard, outlet) {
    const { core, params, query } = given as Given<"listEvents">;
    if (query.cursor !== undefined) throw invalid("cursor", "a stream resumes by Last-Event-ID or `after`");
    // A client that reconnects repeats its URL: what it has seen since then is in the header.
    const after = readLastEventId(lastEventId) ?? query.after ?? 0;
    return watchReservation(core, guard, { id: params.id, after }, outlet);
  },
  listLogs(given, { lastEventId = "" }, guard, outlet) {
    const { core, params, query } = given as Given<"listLogs">;
    if (lastEventId !== "" && !POSITION.test(lastEventId))
      throw invalid("Last-Event-ID", "must be the position that an event had");
    const resumed = lastEventId === "" ? query : { ...query, tail: undefined, after: lastEventId };
    return watchLogs(core, guard, params.id, resumed, outlet);
  },
};

export function createStreams(core: Core): Streams {
  const live = createLive(core);
  const places = new Places();
  return {
    async open(route, given, request) {
      const leave = places.take(given.caller);
      let watch: Watch | undefined;
      const stream = createEventStream(() => {
        leave();
        if (watch) live.remove(watch);
      });
      try {
        watch = OPENERS[route](given, request, createGuard(request.token, given.caller), stream);
        await live.add(watch);
        return stream.response;
      } catch (error) {
        stream.cut();
        throw error;
      }
    },
    close: () => live.close(),
  };
}

class Places {
  readonly #byUser = new Map<string, number>();
  #all = 0;

  /** Takes one; calling what is returned gives it back. Throws Problem too_many_streams. */
  take({ id }: Caller): () => void {
    const own = this.#byUser.get(id) ?? 0;
    if (own >= MAX_PER_USER)
      throw tooMany(`you have ${own} event streams open; ${MAX_PER_USER} are the most`);
    if (this.#all >= MAX) throw tooMany("the server has as many event streams open as it can");
    this.#set(id, own + 1);
    return () => this.#set(id, (this.#byUser.get(id) ?? 0) - 1);
  }

  #set(id: string, count: number): void {
    this.#all += count - (this.#byUser.get(id) ?? 0);
    if (count === 0) this.#byUser.delete(id);
    else this.#byUser.set(id, count);
  }
}

const tooMany = (detail: string): Problem =>
  new Problem("too_many_streams", detail, {
    hint: "close some, or ask without `Accept: text/event-stream` now and then",
    retryAfter: 5,
  });

/** Undefined when there is none: an empty one is what a client sends that has seen nothing. Throws invalid_input. */
function readLastEventId(header: string | undefined): number | undefined {
  if (header === undefined || header === "") return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header);
  throw invalid("Last-Event-ID", "must be the id of an event, a whole number");
}

const invalid = (field: string, detail: string): Problem =>
  new Problem("invalid_input", `${field}: ${detail}`, { errors: [{ field, code: "invalid", detail }] });
