/**
 * Logins by a provider, and how they begin. The client names a login by a secret of which only the hash is kept; the code by which
 * the provider knows it stays on this side.
 */
import { randomBytes } from "node:crypto";
import { Problem } from "../../api/errors.ts";
import type { Login, LoginWay } from "../../api/logins.ts";
import type { Tx } from "../../store/db.ts";
import type { LoginRow } from "../../store/login-tables.ts";
import * as store from "../../store/logins.ts";
import type { Core } from "../core.ts";
import { hashOf } from "../people/token.ts";
import type { DeviceCode, Provider } from "./providers.ts";

/** Begun, and neither finished nor too old; of all people together. */
const MAX_LIVE = 1000;
/** What a client signs, it signs at once. */
const TO_SIGN_S = 120;
/** Whatever a provider asks for. */
const EXPIRES_S = { least: 10, most: 1800 };
const INTERVAL_S = { least: 1, most: 60 };

/** Those with a provider first; a token is always one. */
export function loginWays({ logins }: Core): LoginWay[] {
  const ways = (logins?.providers ?? []).map(({ kind, title }) => ({ with: kind, title }));
  return [...ways, { with: "token", title: "a token that you have" }];
}

/** Throws Problem invalid_input for a way that this server does not offer, too_many_logins, and unavailable. */
export async function beginLogin(core: Core, kind: Provider["kind"]): Promise<Login> {
  const provider = core.logins?.providers.find((each) => each.kind === kind);
  if (!provider) throw notOffered(core, kind);
  await core.store.write(refuseTooMany);
  const device = provider.kind === "aws" ? undefined : await provider.begin();
  const login = randomBytes(32).toString("base64url");
  const row = await core.store.write(async (tx) => {
    const begun = rowOf(tx, kind, login, device);
    await store.insertLogin(tx, begun);
    return begun;
  });
  core.refusals.noteBegun(kind);
  return {
    with: kind,
    login,
    expires_at: row.expires_at,
    device: device ? { ...viewDevice(device), interval_s: row.interval_s } : null,
    aws: provider.kind === "aws" ? viewAws(provider) : null,
  };
}

/** Throws nothing: the problem of a way that this server does not offer. */
export function notOffered(core: Core, kind: string): Problem {
  const ways = loginWays(core).map((way) => way.with);
  const detail = `this server offers no login with ${kind}; it offers ${ways.join(", ")}`;
  return new Problem("invalid_input", detail, { errors: [{ field: "with", code: "not_a_choice", detail }] });
}

async function refuseTooMany(tx: Tx): Promise<void> {
  if ((await store.countLiveLogins(tx)) < MAX_LIVE) return;
  throw new Problem("too_many_logins", "too many logins were begun and not finished", { retryAfter: 60 });
}

function rowOf(tx: Tx, kind: LoginRow["kind"], login: string, device: DeviceCode | undefined): LoginRow {
  const intervalS = device ? within(device.intervalS, INTERVAL_S) : 0;
  const expiresS = device ? within(device.expiresInS, EXPIRES_S) : TO_SIGN_S;
  return {
    hash: hashOf(login),
    kind,
    device_code: device?.deviceCode ?? null,
    interval_s: intervalS,
    next_poll_at: store.after(tx, intervalS),
    expires_at: store.after(tx, expiresS),
  };
}

const within = (n: number, { least, most }: { least: number; most: number }): number =>
  Math.ceil(Math.min(most, Math.max(least, n)));

const viewDevice = ({ userCode, verificationUri, verificationUriComplete }: DeviceCode) => ({
  user_code: userCode,
  verification_uri: verificationUri,
  verification_uri_complete: verificationUriComplete,
});

const viewAws = ({ stsUrl, region, serverUrl }: Provider & { kind: "aws" }) => ({
  sts_url: stsUrl,
  region,
  server_url: serverUrl,
});
