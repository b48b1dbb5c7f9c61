/** The ways to log in that the configuration names, with the services that they ask. */
import { readFile } from "node:fs/promises";
import type { Logins, Provider } from "../../core/logins/providers.ts";
import { type ServerOptions, StartError } from "../config/config.ts";
import type { LoginSettings } from "../config/logins.ts";
import type { Service, ServiceOptions } from "../outside/service.ts";

const DEFAULT_TOKEN_TTL_S = 7 * 86_400;

type Given = Pick<ServerOptions, "logins" | "loginTtlS" | "loginSecrets">;
type Open = (options: ServiceOptions) => Service;
interface Opened {
  readonly provider: Provider;
  readonly service: Service;
}

/** Nothing is asked yet. Throws StartError when the file of a secret cannot be read. */
export async function openLogins(
  { logins = {}, loginTtlS = DEFAULT_TOKEN_TTL_S, loginSecrets = {} }: Given,
  open: Open,
): Promise<{ logins: Logins; services: Service[] }> {
  const ways = [
    await openOidc(logins, open, loginSecrets.oidc),
    await openGithub(logins, open, loginSecrets.github),
    await openAws(logins, open),
  ].filter((way) => way !== undefined);
  const providers = ways.map(({ provider }) => provider);
  return { logins: { providers, tokenTtlS: loginTtlS }, services: ways.map(({ service }) => service) };
}

async function openOidc(
  { oidc }: LoginSettings,
  open: Open,
  secret: string | undefined,
): Promise<Opened | undefined> {
  if (!oidc) return undefined;
  const service = open({ name: "oidc", title: oidc.title });
  const { createOidc } = await import("./oidc.ts");
  return { service, provider: createOidc(oidc, await secretOf(oidc, secret), service) };
}

async function openGithub(
  { github }: LoginSettings,
  open: Open,
  secret: string | undefined,
): Promise<Opened | undefined> {
  if (!github) return undefined;
  const service = open({ name: "github", title: github.title });
  const { createGithub } = await import("./github.ts");
  return { service, provider: createGithub(github, await secretOf(github, secret), service) };
}

async function openAws({ aws }: LoginSettings, open: Open): Promise<Opened | undefined> {
  if (!aws) return undefined;
  const service = open({ name: "sts", title: `the token service of ${aws.title}` });
  const { createAws } = await import("./aws.ts");
  return { service, provider: createAws(aws, service) };
}

async function secretOf(
  { client_secret_file: file }: { client_secret_file?: string | undefined },
  given: string | undefined,
): Promise<string | undefined> {
  if (given !== undefined || file === undefined) return given;
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`the client_secret_file ${file} cannot be read (${code})`, { cause });
  }
}
