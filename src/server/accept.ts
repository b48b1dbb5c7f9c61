/** What a client takes for an answer (RFC 9110, 12.5.1). */
import { Problem } from "../api/errors.ts";

export const JSON_TYPE = "application/json";
export const EVENTS = "text/event-stream";

interface Range {
  readonly type: string;
  /** From 0, "not this", to 1. */
  readonly quality: number;
}

/** Throws Problem not_acceptable when the Accept header takes none of these media types; without one all are taken. */
export function requireAccepted(accept: string | undefined, types: readonly string[]): void {
  if (accept === undefined || accept.trim() === "") return;
  const ranges = rangesOf(accept);
  if (types.some((type) => qualityOf(ranges, type) > 0)) return;
  throw new Problem("not_acceptable", `this is answered as ${types.join(" or ")}`, {
    hint: "leave the Accept header out, or name one of these",
  });
}

/** True when it asks for server-sent events rather than JSON; wildcards do not ask for a stream. */
export function wantsEvents(accept: string | undefined): boolean {
  const ranges = rangesOf(accept ?? "");
  const named = (type: string): number => ranges.find((range) => range.type === type)?.quality ?? 0;
  const events = named(EVENTS);
  return events > 0 && events >= named(JSON_TYPE);
}

/** By the most specific range that fits. */
function qualityOf(ranges: readonly Range[], type: string): number {
  const [family] = type.split("/");
  for (const name of [type, `${family}/*`, "*/*"]) {
    const range = ranges.find((one) => one.type === name);
    if (range) return range.quality;
  }
  return 0;
}

const rangesOf = (accept: string): Range[] =>
  accept.split(",").map((range) => {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const q = parameters.find((parameter) => parameter.startsWith("q="));
    return { type, quality: q === undefined ? 1 : Number(q.slice(2)) || 0 };
  });
