/**
 * Whether the user's HTTP proxy matters. undici knows the rules of HTTPS_PROXY, HTTP_PROXY and NO_PROXY (undici-fetch.ts), but takes
 * 100 ms to load: this looks only whether a proxy could matter.
 */
type Env = Readonly<Record<string, string | undefined>>;

/** A proxy variable; the lower-case form goes first, as with curl. */
export const proxyVariable = (env: Env, name: string): string | undefined =>
  env[name.toLowerCase()] || env[name];

/** The proxy that the environment names for `url`; undefined when there is none, or for this very machine. */
export function proxyFor(env: Env, url: string): string | undefined {
  const { protocol, hostname } = new URL(url);
  if (hostname === "localhost" || hostname === "[::1]" || /^127(\.\d+){3}$/.test(hostname)) return undefined;
  const http = proxyVariable(env, "HTTP_PROXY");
  return protocol === "https:" ? (proxyVariable(env, "HTTPS_PROXY") ?? http) : http;
}
