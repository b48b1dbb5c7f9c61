/** Logins at registries in the headers that the engine takes; it forgets them with the request. */
import { DEFAULT_REGISTRY } from "../../api/image-reference.ts";
import type { RegistryLogin } from "../driver.ts";

/** As the engine calls the registry of names without a host. */
const HUB = "https://index.docker.io/v1/";

const addressOf = (host: string): string => (host === DEFAULT_REGISTRY ? HUB : host);

/** For a pull from `host`. */
export const authHeader = (host: string, login: RegistryLogin | undefined): Record<string, string> =>
  login ? { "X-Registry-Auth": encoded({ ...login, serveraddress: addressOf(host) }) } : {};

/** For a build, which may begin with images of many. */
export const authConfig = (logins: Readonly<Record<string, RegistryLogin>>): Record<string, string> => ({
  "X-Registry-Config": encoded(
    Object.fromEntries(Object.entries(logins).map(([host, login]) => [addressOf(host), login])),
  ),
});

/** The URL's alphabet, with padding: the engine reads no other. */
const encoded = (value: object): string =>
  Buffer.from(JSON.stringify(value)).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
