/** Which registries an engine is sent to for a user: it asks from within its own network, which users are not in. */
import { lookup } from "node:dns/promises";
import { isIP } from "node:net";
import { DEFAULT_REGISTRY } from "../../api/image-reference.ts";
import { isPublic } from "../../api/public-address.ts";
import { DriverError, LaunchRefused } from "../driver.ts";

type Resolve = (name: string) => Promise<readonly string[]>;

const byDns: Resolve = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);

/** `known` are the hosts that the operator names. Throws LaunchRefused for another one that is not on the public internet, DriverError when nobody can tell. */
export async function requireOutside(
  host: string,
  known: ReadonlySet<string>,
  resolve: Resolve = byDns,
): Promise<void> {
  if (host === DEFAULT_REGISTRY || known.has(host)) return;
  const name = host.replace(/:\d+$/, "");
  const addresses = isIP(name) ? [name] : await addressesOf(host, name, resolve);
  if (addresses.every(isPublic)) return;
  throw new LaunchRefused(
    `${host} is an address within the Docker host's own networks; the operator may name it in images.registries`,
  );
}

async function addressesOf(host: string, name: string, resolve: Resolve): Promise<readonly string[]> {
  try {
    return await resolve(name);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOTFOUND")
      throw new LaunchRefused(`there is no registry ${host}, as far as the server can find`, { cause });
    throw new DriverError(`the address of the registry ${host} cannot be found out now`, { cause });
  }
}
