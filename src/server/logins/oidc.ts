/** Logins at any provider of OpenID Connect that has the device flow. */
import * as client from "openid-client";
import { Problem } from "../../api/errors.ts";
import type { DeviceProvider, Identity } from "../../core/logins/providers.ts";
import type { OidcSettings } from "../config/logins.ts";
import type { Service } from "../outside/service.ts";
import { askBy, beginFlow, doubtful, pollFlow, type Tokens, unusable } from "./device-flow.ts";
import { kept } from "./kept.ts";
import { roleOf } from "./people.ts";

/** A provider may move its endpoints; its keys are looked up more often than that. */
const MAX_AGE_MS = 3_600_000;

type Claims = Readonly<Record<string, unknown>>;

export function createOidc(
  settings: OidcSettings,
  secret: string | undefined,
  service: Pick<Service, "fetch">,
): DeviceProvider {
  const { title, scopes } = settings;
  const discovered = kept(() => discover(settings, secret, service), MAX_AGE_MS);
  return {
    kind: "oidc",
    issuer: providerOf(settings.issuer),
    title,
    begin: async () => beginFlow(await discovered(), scopes.join(" "), title),
    async poll(deviceCode) {
      const config = await discovered();
      const tokens = await pollFlow(config, deviceCode, title);
      return typeof tokens === "string"
        ? tokens
        : identityOf(settings, await claimsOf(config, tokens, title));
    },
  };
}

/** Throws Problem unavailable. */
async function discover(
  { issuer, client_id, title }: OidcSettings,
  secret: string | undefined,
  { fetch }: Pick<Service, "fetch">,
): Promise<client.Configuration> {
  const insecure = issuer.startsWith("http:") ? [client.allowInsecureRequests] : [];
  try {
    return await client.discovery(new URL(issuer), client_id, secret, undefined, {
      [client.customFetch]: askBy(fetch),
      // TLS says who answers; the signature says it again, whatever stands between.
      execute: [...insecure, client.enableNonRepudiationChecks],
    });
  } catch (error) {
    throw unusable(title, error);
  }
}

/** Of the ID token; what is not in it, of the provider's page about the user. */
async function claimsOf(config: client.Configuration, tokens: Tokens, title: string): Promise<Claims> {
  const own = tokens.claims();
  if (!own) throw new Problem("not_allowed", `${title} does not say who you are: it sent no ID token`);
  if (config.serverMetadata().userinfo_endpoint === undefined) return own;
  try {
    return { ...(await client.fetchUserInfo(config, tokens.access_token, own.sub)), ...own };
  } catch (error) {
    const problem = unusable(title, error);
    throw problem.cause === error && error instanceof client.ClientError ? doubtful(title, error) : problem;
  }
}

/** Throws Problem not_allowed. */
function identityOf(settings: OidcSettings, claims: Claims): Identity {
  const { issuer, title, name_claim, groups_claim } = settings;
  const name = claims[name_claim];
  if (typeof name !== "string" || name === "")
    throw new Problem(
      "not_allowed",
      `${title} does not say what you are called: there is no claim ${name_claim}`,
      {
        hint: "tell who runs the server: `name_claim` and `scopes` of its configuration say what is asked for",
      },
    );
  const groups = [claims[groups_claim]].flat().filter((group) => typeof group === "string");
  const known = { provider: providerOf(issuer), subject: String(claims.sub), name: name.toLowerCase() };
  const role = roleOf(settings, { known, shown: name, groups, email: emailOf(claims) });
  return { ...known, role };
}

/** Whoever adds or takes away the slash at the end means the same provider, which knows the same people. */
const providerOf = (issuer: string): string => issuer.replace(/\/+$/, "");

/** An address that anybody can claim says nothing about them. */
const emailOf = ({ email, email_verified }: Claims): string | undefined =>
  typeof email === "string" && email_verified === true ? email.toLowerCase() : undefined;
