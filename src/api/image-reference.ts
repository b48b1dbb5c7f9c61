/** How images are named (the grammar of the distribution project): `[host[:port]/]path[:tag][@digest]`. */

/** The registry that a name without a host means. */
export const DEFAULT_REGISTRY = "docker.io";

export interface ImageReference {
  /** With the port, in lower case. */
  readonly host: string;
  readonly path: string;
  readonly tag: string | undefined;
  readonly digest: string | undefined;
}

const WORD = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const PATH = new RegExp(`^${WORD}(?:/${WORD})*$`);
const REFERENCE = /^([^:@]+(?::\d+\/[^:@]+)?)(?::(\w[\w.-]{0,127}))?(?:@(sha256:[0-9a-f]{64}))?$/;
const HOST = /^(?:[a-z0-9]+(?:-+[a-z0-9]+)*\.)*[a-z0-9]+(?:-+[a-z0-9]+)*(?::\d{1,5})?$/;

/** The longest name that engines take. */
export const MAX_REFERENCE = 512;

/** The parts of a name, with what it leaves out; undefined for what is none. */
export function parseImageReference(text: string): ImageReference | undefined {
  const [, name = "", tag, digest] = (text.length <= MAX_REFERENCE && REFERENCE.exec(text)) || [];
  const slash = name.indexOf("/");
  const first = name.slice(0, Math.max(0, slash)).toLowerCase();
  const hasHost = /[.:]/.test(first) || first === "localhost";
  const path = hasHost ? name.slice(slash + 1) : name;
  if (!PATH.test(path) || (hasHost && !HOST.test(first))) return undefined;
  const implied = tag ?? (digest === undefined ? "latest" : undefined);
  if (hasHost && !HUB.includes(first)) return { host: first, path, tag: implied, digest };
  const whole = path.includes("/") ? path : `library/${path}`;
  return { host: DEFAULT_REGISTRY, path: whole, tag: implied, digest };
}

const HUB = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/** The whole name, in which nothing is left to be understood: no engine takes it for an id. */
export const fullName = ({ host, path, tag, digest }: ImageReference): string =>
  `${host}/${path}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;

/** The host of a registry as logins know it; undefined for what is no host. */
export function registryHost(text: string): string | undefined {
  const host = text.toLowerCase();
  if (HUB.includes(host)) return DEFAULT_REGISTRY;
  return HOST.test(host) && host.length <= 255 ? host : undefined;
}
