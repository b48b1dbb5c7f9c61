/**
 * Posts to webhooks. Users choose the URLs and the server is where they cannot reach: it dials public addresses only, unless its
 * configuration allows others, and that is looked at on the very address that is dialled, whatever a name resolved to before.
 */
import { lookup as systemLookup } from "node:dns";
import { Resolver } from "node:dns/promises";
import * as http from "node:http";
import * as https from "node:https";
import { isIP, type LookupFunction } from "node:net";
import { isPublic } from "../api/public-address.ts";
import type { Post, WebhookSender } from "../core/core.ts";

export interface WebhookRules {
  readonly allowPrivate: boolean;
  /** Names or addresses that may be anywhere. */
  readonly allowHosts: readonly string[];
}

interface SenderOptions {
  readonly rules: () => WebhookRules;
  /** For everything from the name's resolution to the answer's first line. */
  readonly timeoutMs?: number;
  readonly resolver?: Pick<Resolver, "resolve4" | "resolve6">;
}

const TIMEOUT_MS = 10_000;

export function createWebhookSender({
  rules,
  timeoutMs = TIMEOUT_MS,
  // Not getaddrinfo, which keeps a thread of the process for as long as a name server that does not answer pleases.
  resolver = new Resolver({ timeout: 3000, tries: 2 }),
}: SenderOptions): WebhookSender {
  const trusts = (host: string): boolean => rules().allowPrivate || rules().allowHosts.includes(host);
  const publicOnly: LookupFunction = (host, { all }, callback) => {
    resolvePublic(resolver, host).then(
      (found) => (all ? callback(null, found) : callback(null, found[0]?.address ?? "", found[0]?.family)),
      (error: Error) => callback(error, []),
    );
  };
  const faultOf = (url: string): string | undefined => {
    const host = hostOf(new URL(url));
    const local = isIP(host) === 0 ? /(^|\.)localhost$/.test(host) : !isPublic(host);
    return local && !trusts(host) ? notPublic(host) : undefined;
  };
  return {
    fault: faultOf,
    async post(post, signal) {
      // What was allowed when it was set may not be now, and of an address nothing is looked up.
      const fault = faultOf(post.url);
      if (fault !== undefined) return fault;
      const late = AbortSignal.timeout(timeoutMs);
      const url = new URL(post.url);
      const lookup = trusts(hostOf(url)) ? systemLookup : publicOnly;
      const failure = await send(url, post, lookup, AbortSignal.any([signal, late]));
      return failure !== undefined && late.aborted ? `no answer within ${timeoutMs / 1000} s` : failure;
    },
  };
}

/** The name, or the address without brackets; the URL's parser has brought all its spellings to one. */
const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[(.*)\]$/, "$1");

/** Without the address that a name led to: users would ask the server's network for its names. */
const notPublic = (host: string): string =>
  `${host} is not a public address, and this server posts to no other`;

async function resolvePublic(
  resolver: Pick<Resolver, "resolve4" | "resolve6">,
  host: string,
): Promise<{ address: string; family: number }[]> {
  const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  const found = [...addressesOf(four, 4), ...addressesOf(six, 6)];
  if (found.length === 0) throw new Error(`${host} has no address`, { cause: reasonOf(four) });
  const usable = found.filter(({ address }) => isPublic(address));
  if (usable.length === 0) throw new Error(notPublic(host));
  return usable;
}

const addressesOf = (result: PromiseSettledResult<string[]>, family: number) =>
  result.status === "fulfilled" ? result.value.map((address) => ({ address, family })) : [];

const reasonOf = (result: PromiseSettledResult<unknown>): unknown =>
  result.status === "rejected" ? result.reason : undefined;

/** One connection for one request; redirects are not followed, and of the answer nothing is read but its head. */
async function send(
  url: URL,
  { headers, body }: Post,
  lookup: LookupFunction,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const length = { "content-length": Buffer.byteLength(body) };
  const { request } = url.protocol === "https:" ? https : http;
  let posting: http.ClientRequest;
  try {
    posting = request(url, {
      method: "POST",
      headers: { ...headers, ...length },
      agent: false,
      lookup,
      signal,
    });
  } catch (error) {
    // What node cannot even begin is a try that failed: if it were thrown, it would be repeated uncounted, for ever.
    return wordsOf(error as Error);
  }
  posting.on("response", ({ statusCode = 0 }) => {
    resolve(statusCode >= 200 && statusCode <= 299 ? undefined : answeredWith(statusCode));
    posting.destroy();
  });
  // An upgrade that nobody listens for is neither a response nor an error to node.
  posting.on("upgrade", ({ statusCode = 0 }, socket) => {
    resolve(answeredWith(statusCode));
    socket.destroy();
  });
  posting.on("error", (error) => resolve(wordsOf(error)));
  // The last of all events, after whichever told more: whatever else node ends without a word, the courier gets its hand back.
  posting.on("close", () => resolve("it closed the connection without an answer"));
  posting.end(body);
  return promise;
}

const answeredWith = (status: number): string => `it answered with status ${status}`;

/** Of several addresses that were tried in vain node gives one error without words. */
const wordsOf = (error: Error): string =>
  error instanceof AggregateError ? error.errors.map((e: Error) => e.message).join("; ") : error.message;
