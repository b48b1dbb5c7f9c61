/**
 * A request for AWS's GetCallerIdentity that somebody signs and the server sends on: all of it but the signature is known to both
 * sides, so that the server need not send what a stranger has written. Query parameters by AWS's Signature Version 4.
 */
import type { SignedIdentity } from "./logins.ts";

/** Seconds from its date that AWS takes it. */
const EXPIRES_S = 60;

/** What is asked; the signature covers it. */
export const CALLER_IDENTITY = {
  Action: "GetCallerIdentity",
  Version: "2011-06-15",
  "X-Amz-Expires": String(EXPIRES_S),
} as const;

/** Signed as well: for this server and this login, so that it is good nowhere else and once. */
export const boundTo = (serverUrl: string, login: string): Record<string, string> => ({
  "x-gpu-dev-login": login,
  "x-gpu-dev-server": serverUrl,
});

/** Of `boundTo`, and of the token service's host. */
const SIGNED_HEADERS = "host;x-gpu-dev-login;x-gpu-dev-server";

/** The query of the request that was signed. */
export function signedQuery({
  credential,
  date,
  security_token,
  signature,
}: SignedIdentity): URLSearchParams {
  return new URLSearchParams({
    ...CALLER_IDENTITY,
    "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
    "X-Amz-Credential": credential,
    "X-Amz-Date": date,
    "X-Amz-SignedHeaders": SIGNED_HEADERS,
    ...(security_token === undefined ? {} : { "X-Amz-Security-Token": security_token }),
    "X-Amz-Signature": signature,
  });
}
