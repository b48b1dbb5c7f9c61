/** How Docker Engines are written, on the command line and in the server's configuration file. */

/** This machine's own. */
export const DEFAULT_ENGINE = "unix:///var/run/docker.sock";
export const ENGINE_FORMS = "unix:///var/run/docker.sock, tcp://HOST:2376 (with TLS) or ssh://USER@HOST";

export type EngineAddress =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "ssh"; readonly target: string; readonly port: number | undefined };

const DOCKER_TLS_PORT = 2376;

/** What a URL names; undefined for another form. Nothing of it can be taken for an option of ssh. */
export function parseEngineUrl(url: string): EngineAddress | undefined {
  const path = /^unix:\/\/(\/[^\0]+)$/.exec(url)?.[1];
  if (path !== undefined) return { kind: "unix", path };
  const [, scheme, user = "", host, port] =
    /^(tcp|ssh):\/\/(?:([\w.][\w.-]*)@)?([\w][\w.-]*|\[[0-9a-f:]+\])(?::(\d{1,5}))?\/?$/i.exec(url) ?? [];
  if (host === undefined) return undefined;
  const bare = host.replaceAll(/[[\]]/g, "");
  if (scheme === "ssh")
    return { kind: "ssh", target: user ? `${user}@${bare}` : bare, port: port ? Number(port) : undefined };
  return user ? undefined : { kind: "tcp", host: bare, port: Number(port ?? DOCKER_TLS_PORT) };
}

/** `docker`, or `docker=` and the URL of an engine; "local" is the other driver. */
const DRIVER = /^(?:local|docker(?:=(.+))?)$/s;

export const DRIVER_FORMS = `local, docker, or docker=URL with ${ENGINE_FORMS}`;

/** What names a driver; undefined for another form. */
export function parseDriver(text: string): { driver: "local" | "docker"; url?: string } | undefined {
  const match = DRIVER.exec(text);
  if (!match) return undefined;
  const url = match[1];
  if (url === undefined) return { driver: text === "local" ? "local" : "docker" };
  return parseEngineUrl(url) && { driver: "docker", url };
}
