/**
 * Who asks too often waits: by token, by address, and by address for tokens that are no good. Counted in this process: several
 * servers let through as many times as much. What goes through a tunnel that is open is never counted.
 */
import { createHash } from "node:crypto";
import { isIP } from "node:net";
import { Problem } from "../api/errors.ts";
import { Buckets } from "./buckets.ts";
import { isFailedLogin, Trials } from "./trials.ts";

/** Each in a minute; 0 is no limit. */
export interface RequestLimits {
  readonly requestsPerToken: number;
  readonly requestsPerAddress: number;
  readonly failedLoginsPerAddress: number;
}

export interface RateLimits {
  /** Counts a request from this address; the refusal when there were too many. */
  request(address: string | undefined): Problem | undefined;
  /** `login`, counted for the token that it is good for or the address that it fails from. Throws Problem rate_limited. */
  login<T>(token: string | undefined, address: string | undefined, login: () => Promise<T>): Promise<T>;
  /** Counts a login that is begun as one that failed, until it is `finished`: all that are begun have one bound. Throws Problem rate_limited. */
  begin(address: string | undefined): void;
  finished(address: string | undefined): void;
}

/** A script may make so many of its minute's requests at once. */
const BURST_S = 10;

/** `limits` are asked each time, so that they may change; `now` in milliseconds. */
export function createRateLimits(limits: () => RequestLimits, now = () => performance.now()): RateLimits {
  const buckets = (perMinute: () => number, burst: (perMinute: number) => number): Buckets =>
    new Buckets(() => ({ perSecond: perMinute() / 60, burst: Math.max(1, burst(perMinute())) }), now);
  const inBursts = (perMinute: number): number => (perMinute * BURST_S) / 60;
  const ofTokens = buckets(() => limits().requestsPerToken, inBursts);
  const ofAddresses = buckets(() => limits().requestsPerAddress, inBursts);
  const failures = buckets(
    () => limits().failedLoginsPerAddress,
    (all) => all,
  );
  const trials = new Trials(failures, (waitS) => tooMany(waitS, "too many failed logins from your address"));
  return {
    request(address) {
      const key = networkOf(address);
      const waitS = key === undefined ? 0 : ofAddresses.take(key);
      return waitS > 0 ? tooMany(waitS, "too many requests from your address") : undefined;
    },
    async login(token, address, login) {
      const key = token === undefined ? undefined : createHash("sha256").update(token).digest("base64");
      if (key === undefined) return login();
      // Before it is waited for: else a burst of them would all be let through.
      refuse(ofTokens.take(key), "too many requests with your token");
      try {
        return await trials.run(key, networkOf(address), login);
      } catch (error) {
        if (isFailedLogin(error)) ofTokens.forget(key);
        else if (!(error instanceof Problem)) ofTokens.giveBack(key);
        throw error;
      }
    },
    begin(address) {
      const network = networkOf(address);
      if (network === undefined) return;
      refuse(failures.take(network), "too many logins were begun from your address and not finished");
    },
    finished(address) {
      const network = networkOf(address);
      if (network !== undefined) failures.giveBack(network);
    },
  };
}

function refuse(waitS: number, what: string): void {
  if (waitS > 0) throw tooMany(waitS, what);
}

const tooMany = (waitS: number, what: string): Problem =>
  new Problem("rate_limited", `${what}: wait ${Math.ceil(waitS)} s`, {
    hint: "ask less often: a list or a reservation can be watched with `Accept: text/event-stream`",
    retryAfter: waitS,
  });

/** What one subscriber has: an IPv4 address, or the 64 bits of an IPv6 network. Undefined for this machine, whose user is not limited by address. */
function networkOf(address: string | undefined): string | undefined {
  if (address === undefined) return undefined;
  const plain = address.replace(/^::ffff:/i, "");
  if (plain === "::1" || (isIP(plain) === 4 && plain.startsWith("127."))) return undefined;
  return isIP(plain) === 6 ? firstHalf(plain) : plain;
}

/** The first four of its eight groups. */
function firstHalf(address: string): string {
  const [head = "", tail] = address.split("::");
  const before = head === "" ? [] : head.split(":");
  const after = tail ? tail.split(":") : [];
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array(Math.max(0, zeros)).fill("0"), ...after].slice(0, 4).join(":");
}
