/** The device flow of OAuth (RFC 8628), by openid-client, one question at a time. */
import * as client from "openid-client";
import { Problem } from "../../api/errors.ts";
import type { DeviceCode } from "../../core/logins/providers.ts";
import type { Service } from "../outside/service.ts";

const DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code";
/** RFC 8628, 3.2: when the provider does not say it. */
const INTERVAL_S = 5;

export type Tokens = Awaited<ReturnType<typeof client.genericGrantRequest>>;

/** openid-client asks by this service; it has no other way out. */
export const askBy =
  (fetch: Service["fetch"]): client.CustomFetch =>
  (url, init) =>
    fetch(url, init as RequestInit);

/** A code for a person. Throws Problem unavailable. */
export async function beginFlow(
  config: client.Configuration,
  scope: string,
  title: string,
): Promise<DeviceCode> {
  try {
    const begun = await client.initiateDeviceAuthorization(config, { scope });
    return {
      deviceCode: begun.device_code,
      userCode: begun.user_code,
      verificationUri: begun.verification_uri,
      verificationUriComplete: begun.verification_uri_complete ?? null,
      intervalS: begun.interval ?? INTERVAL_S,
      expiresInS: begun.expires_in,
    };
  } catch (error) {
    throw unusable(title, error);
  }
}

/** What the provider says of a code by now. Throws Problem login_over, not_allowed and unavailable. */
export async function pollFlow(
  config: client.Configuration,
  deviceCode: string,
  title: string,
): Promise<Tokens | "pending" | "slow_down"> {
  try {
    return await client.genericGrantRequest(config, DEVICE_CODE, { device_code: deviceCode });
  } catch (error) {
    if (error instanceof client.ResponseBodyError) return refused(title, error);
    throw isDoubtful(error) ? doubtful(title, error) : unusable(title, error);
  }
}

function refused(title: string, error: client.ResponseBodyError): "pending" | "slow_down" {
  switch (error.error) {
    case "authorization_pending":
      return "pending";
    case "slow_down":
      return "slow_down";
    case "access_denied":
      throw new Problem("not_allowed", `the login was refused at ${title}`, {
        hint: "begin anew if that was a mistake",
      });
    case "expired_token":
    case "invalid_grant":
    case "incorrect_device_code":
      throw new Problem("login_over", `the code for ${title} is good no longer`, { hint: "begin anew" });
    default:
      throw unusable(title, error);
  }
}

/** An answer whose signature, audience, issuer or time is wrong is no answer of this provider to this server. */
const isDoubtful = (error: unknown): error is Error =>
  error instanceof client.ClientError &&
  /JWT|INVALID_RESPONSE|KEY_SELECTION|SIGNATURE/.test(error.code ?? "");

/** What went wrong inside stands in the cause. */
export function doubtful(title: string, error: Error): Problem {
  const why = error.cause instanceof Error ? error.cause.message : error.message;
  return new Problem("not_allowed", `what ${title} says of you cannot be trusted: ${why}`, {
    hint: "tell who runs the server: its log tells more",
    cause: error,
  });
}

/** A service that does not answer says so by itself; anything else is for who runs the server. */
export function unusable(title: string, error: unknown): Problem {
  const problem = problemIn(error);
  if (problem) return problem;
  const why =
    error instanceof client.ResponseBodyError
      ? [error.error, error.error_description].filter(Boolean).join(", ")
      : (error as Error).message;
  return new Problem("unavailable", `${title} and this server do not understand each other: ${why}`, {
    hint: "tell who runs the server: the provider may have to know it, and to allow the device flow",
    cause: error,
  });
}

function problemIn(error: unknown): Problem | undefined {
  if (error instanceof Problem) return error;
  return error instanceof Error && error.cause !== undefined ? problemIn(error.cause) : undefined;
}
