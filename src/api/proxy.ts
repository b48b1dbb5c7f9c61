/**
 * Which HTTP proxy applies to a URL: the one rule for the command line and the ssh-proxy (T-17).
 * HTTPS_PROXY for https (HTTP_PROXY when it is not set), HTTP_PROXY for http, NO_PROXY for exceptions; the lower-case
 * form of each goes first, as with curl. This very machine is never asked for through a proxy.
 */
import { BlockList, isIP } from "node:net";

type Env = Readonly<Record<string, string | undefined>>;

export interface HttpProxy {
  /** Scheme (http or https), name and port. */
  readonly url: string;
  /** Name and port, for messages. */
  readonly host: string;
  /** What `Proxy-Authorization` says: a secret. Undefined when the variable has no user and password. */
  readonly authorization: string | undefined;
  /** The variable that names it. */
  readonly origin: string;
}

/** The proxy for `url`, or undefined for a direct connection. Throws SyntaxError, naming the variable, for one that cannot be used. */
export function proxyFor(env: Env, url: string): HttpProxy | undefined {
  const target = new URL(url);
  const wanted = target.protocol === "https:" ? ["HTTPS_PROXY", "HTTP_PROXY"] : ["HTTP_PROXY"];
  const origin = wanted.map((name) => variable(env, name)).find((name) => name !== undefined);
  if (origin === undefined || isThisMachine(target.hostname)) return undefined;
  if (isExcepted(target, env[variable(env, "NO_PROXY") ?? ""] ?? "")) return undefined;
  return readProxy(env[origin] ?? "", origin);
}

const variable = (env: Env, name: string): string | undefined =>
  [name.toLowerCase(), name].find((each) => env[each]);

/** Whether a URL's host is the machine that it is used on. */
export const isThisMachine = (hostname: string): boolean =>
  hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname);

/** `proxy.test:3128` is `http://proxy.test:3128`. */
function readProxy(given: string, origin: string): HttpProxy {
  const url = URL.parse(given.includes("://") ? given : `http://${given}`);
  const login = url === null ? undefined : readLogin(url);
  if (!url?.hostname || !/^https?:$/.test(url.protocol) || login === undefined)
    throw new SyntaxError(
      `${origin} is not a proxy that can be used; write http://HOST:PORT or https://HOST:PORT`,
    );
  return {
    url: url.origin,
    host: `${url.hostname}:${portOf(url)}`,
    authorization: login === ":" ? undefined : `Basic ${Buffer.from(login).toString("base64")}`,
    origin,
  };
}

/** "user:password"; undefined for what is not percent-encoded as URLs are. */
function readLogin({ username, password }: URL): string | undefined {
  try {
    return `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** The port of a URL, also when it is the usual one. */
export const portOf = ({ port, protocol }: URL): string => port || (protocol === "https:" ? "443" : "80");

/** True when one of the words of NO_PROXY means `target`. */
function isExcepted(target: URL, noProxy: string): boolean {
  const host = target.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const words = noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean);
  return words.some((word) => word === "*" || isMeant(word, host, portOf(target)));
}

/** `example.com` and `.example.com` mean the domain and all below it; `10.0.0.0/8` addresses; `host:443` one port. */
function isMeant(word: string, host: string, port: string): boolean {
  const [, address, bits] = /^\[?([0-9a-f.:]+)\]?\/(\d{1,3})$/.exec(word) ?? [];
  if (address !== undefined) return isInNetwork(host, address, Number(bits));
  const [, name = word, onlyPort] = /^(\[.+\]|[^:]+):(\d+)$/.exec(word) ?? [];
  if (onlyPort !== undefined && onlyPort !== port) return false;
  const plain = name
    .replace(/^\[|\]$/g, "")
    .replace(/^\*?\./, "")
    .replace(/\.$/, "");
  return host === plain || (isIP(host) === 0 && host.endsWith(`.${plain}`));
}

function isInNetwork(host: string, address: string, bits: number): boolean {
  const [family, own] = [isIP(address), isIP(host)];
  if (family === 0 || own !== family || bits > (family === 4 ? 32 : 128)) return false;
  const network = new BlockList();
  network.addSubnet(address, bits, family === 4 ? "ipv4" : "ipv6");
  return network.check(host, family === 4 ? "ipv4" : "ipv6");
}
