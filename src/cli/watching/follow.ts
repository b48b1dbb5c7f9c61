/**
 * Follows a feed: over server-sent events, opened again when they break and resumed where they were; by asking now and then where something
 * between here and the server keeps them back. What it gives out is only ever the present state, so that no way loses anything.
 */
import { BadReply, RefusedRequest } from "../../api/client.ts";
import type { ProblemDocument } from "../../api/errors.ts";
import { EventReader } from "../../api/event-stream.ts";
import { VERSION } from "../../api/version.ts";
import type { Context } from "../context.ts";
import { NotConfigured, Unreachable } from "../errors.ts";
import { errorCode } from "../http/retry.ts";
import type { Feed } from "./feed.ts";
import { type Arrival, arrivals } from "./stream-arrivals.ts";

/** While nothing comes it says so this often, for what counts seconds. */
const TICK_MS = 1000;
/** The first event comes at once; a proxy that keeps it back keeps back all. */
const FIRST_EVENT_MS = 5000;
/** Three heartbeats. */
const SILENCE_MS = 45_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const GROWTH = 1.3;
/** A server that restarts is waited for this long. */
const PATIENCE_MS = 120_000;

export interface FollowOptions {
  readonly signal: AbortSignal;
  /** Milliseconds since the epoch; no pause goes beyond it. */
  readonly until: number;
  /** Told once when the server does not answer, for each time that it stops to. */
  readonly onOutage: () => void;
}

/** How a stream ended. */
type End = "over" | "broken" | "silent" | "unsupported";

/** The state at first and after each change, undefined now and then in between; it ends when the server says that nothing follows. Throws what cannot pass. */
export async function* follow<T>(
  ctx: Context,
  feed: Feed<T>,
  options: FollowOptions,
): AsyncGenerator<T | undefined, void, undefined> {
  const outage = createOutage(ctx, options);
  const reader = { lastEventId: undefined as string | undefined };
  let silent = 0;
  for (;;) {
    const end: End = yield* streamOnce(ctx, feed, options, outage, reader);
    if (end === "over") return;
    if (end === "unsupported") break;
    if (end === "silent" && ++silent === 2) break;
    if (end === "broken") yield* outage.pause();
  }
  ctx.detail("events do not arrive; asking now and then instead");
  yield* poll(ctx, feed, options, outage);
}

type Outage = ReturnType<typeof createOutage>;

/** From the first failure until the server answers again: told once, with growing pauses, and an end to patience. */
function createOutage(ctx: Context, { signal, until, onOutage }: FollowOptions) {
  let since: number | undefined;
  let pauseMs = FIRST_PAUSE_MS;
  return {
    over(): void {
      since = undefined;
      pauseMs = FIRST_PAUSE_MS;
    },
    /** Throws `error` when it cannot pass, or has lasted too long. */
    note(error: unknown): void {
      const now = ctx.clock.now().getTime();
      if (!mayPass(ctx, error, since !== undefined) || signal.aborted || now - (since ?? now) > PATIENCE_MS)
        throw error;
      ctx.detail(`the server does not answer: ${error instanceof Error ? error.message : error}`);
      if (since === undefined) onOutage();
      since ??= now;
      // The server of this machine has another address and token when it comes back.
      ctx.forgetEndpoint();
    },
    async *pause(): AsyncGenerator<undefined, void, undefined> {
      const left = Math.max(0, until - ctx.clock.now().getTime());
      await ctx.clock.sleep(Math.min(pauseMs, left), signal);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
      yield undefined;
    },
  };
}

const PASSING = /^(ECONN|EPIPE|ETIMEDOUT|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_)/;

function mayPass(ctx: Context, error: unknown, away: boolean): boolean {
  if (error instanceof Unreachable || PASSING.test(errorCode(error))) return true;
  if (error instanceof BadReply) return error.status >= 500;
  if (error instanceof RefusedRequest && error.problem.retryable) return true;
  // Between its end and its start the local server is not announced, or its old token is still there.
  const isGap =
    error instanceof NotConfigured || (error instanceof RefusedRequest && error.problem.status === 401);
  return away && isGap && (ctx.global.context ?? "local") === "local";
}

async function* streamOnce<T>(
  ctx: Context,
  feed: Feed<T>,
  options: FollowOptions,
  outage: Outage,
  resume: { lastEventId: string | undefined },
): AsyncGenerator<T | undefined, End, undefined> {
  const closing = new AbortController();
  const signal = AbortSignal.any([closing.signal, options.signal]);
  const reader = new EventReader(resume.lastEventId);
  let quietSince = ctx.clock.now().getTime();
  let patience = FIRST_EVENT_MS;
  const coming = arrivals(() => dial(ctx, feed, signal, resume.lastEventId));
  try {
    for (;;) {
      const left = Math.max(0, options.until - ctx.clock.now().getTime());
      const arrival: Arrival | undefined = await coming.next(
        ctx.clock,
        Math.min(TICK_MS, left),
        options.signal,
      );
      const now = ctx.clock.now().getTime();
      if (arrival === undefined) {
        if (now - quietSince > patience) return patience === FIRST_EVENT_MS ? "unsupported" : "silent";
        yield undefined;
        continue;
      }
      if (arrival.kind === "unsupported") return "unsupported";
      if (arrival.kind === "end") throw new StreamBroke("the stream ended");
      quietSince = now;
      for (const event of reader.read(arrival.bytes)) {
        if (event.event === "end") return "over";
        if (event.event === "problem") throw refused(event.data);
        resume.lastEventId = reader.lastEventId;
        outage.over();
        patience = SILENCE_MS;
        const state = feed.take(event);
        if (state !== undefined) yield state;
      }
    }
  } catch (error) {
    if (options.signal.aborted) throw error;
    outage.note(error);
    return "broken";
  } finally {
    closing.abort();
  }
}

/** A stream that broke off without its last event. */
class StreamBroke extends Error {
  readonly code = "ECONNRESET";
}

const refused = (data: string): RefusedRequest =>
  new RefusedRequest(JSON.parse(data) as ProblemDocument, undefined);

/** The bytes of the stream; undefined when the answer is none, so that asking tells why. Throws for one that a server may give that is not itself now. */
async function dial<T>(
  ctx: Context,
  feed: Feed<T>,
  signal: AbortSignal,
  lastEventId: string | undefined,
): Promise<AsyncIterable<Uint8Array> | undefined> {
  const { url, token } = ctx.endpoint();
  const reply = await ctx.openStream(url + feed.path, {
    headers: {
      accept: "text/event-stream",
      "gpu-dev-cli": VERSION,
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
    },
    signal,
  });
  ctx.detail(`GET ${url}${feed.path}: HTTP ${reply.status}, ${reply.contentType}`);
  // Also 429, too many streams, is none of these: asking goes on, and waits as it is told to.
  if (reply.status >= 500) throw new BadReply(reply.status, `the answer was HTTP ${reply.status}`);
  return reply.status === 200 && reply.contentType.startsWith("text/event-stream") ? reply.body : undefined;
}

/** Asks from 100 ms apart to 2 s, until nothing more can follow. */
async function* poll<T>(
  ctx: Context,
  feed: Feed<T>,
  { signal, until }: FollowOptions,
  outage: Outage,
): AsyncGenerator<T | undefined, void, undefined> {
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * GROWTH, LONGEST_PAUSE_MS)) {
    const left = Math.max(0, until - ctx.clock.now().getTime());
    await ctx.clock.sleep(Math.min(pauseMs, left), signal);
    try {
      const state = await feed.ask(ctx, signal);
      outage.over();
      yield state;
      if (feed.isOver?.(state)) return;
    } catch (error) {
      outage.note(error);
      yield* outage.pause();
    }
  }
}
