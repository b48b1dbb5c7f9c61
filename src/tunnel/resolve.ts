/** From a host name to the pod it stands for; its host key is in known_hosts before ssh gets its first byte (T-14). */
import type { Home } from "../api/home.ts";
import { id8 } from "../api/names.ts";
import type { PodPort } from "./dial.ts";
import { type Server, TunnelFailure } from "./failure.ts";
import type { Target } from "./hosts.ts";
import { knownHost, learnHost } from "./known-hosts.ts";
import { getJson } from "./request.ts";

/** What is used here of the contract's reservation. */
interface Found {
  readonly id: string;
  readonly state: string;
  readonly host_key: string | null;
}

/** The pod that `target`, written as `host`, stands for. Throws TunnelFailure. */
export async function resolve(
  server: Server,
  home: Home,
  host: string,
  target: Target,
): Promise<Omit<PodPort, "port">> {
  if (target.kind === "pod") {
    if (knownHost(home, host) === undefined)
      await learn(home, host, checked(await getJson(server, `/v1/reservations/${target.id}`)));
    return { reservation: target.id, node: target.node };
  }
  const found = await findByPrefix(server, target.id8);
  if (knownHost(home, host) !== found.host_key) await learn(home, host, found);
  return { reservation: found.id, node: 0 };
}

async function findByPrefix(server: Server, prefix: string): Promise<Found> {
  const page = (await getJson(server, `/v1/reservations?id_prefix=${prefix}`)) as { items?: unknown[] };
  const [found, ...others] = page.items ?? [];
  if (found === undefined)
    throw new TunnelFailure(
      `Not found: no live reservation of yours begins with ${prefix}; \`gpu-dev list\` shows them`,
    );
  if (others.length > 0)
    throw new TunnelFailure(`several reservations begin with ${prefix}; use the full id as host name`);
  return checked(found);
}

function checked(json: unknown): Found {
  const { id, host_key } = json as Partial<Found>;
  if (typeof id !== "string" || (host_key !== null && typeof host_key !== "string"))
    throw new TunnelFailure("the server's answer is not a reservation; is it a gpu-dev server?");
  return json as Found;
}

async function learn(home: Home, host: string, found: Found): Promise<void> {
  if (found.host_key === null)
    throw new TunnelFailure(
      `Not ready yet: reservation ${id8(found.id)} is ${found.state}; \`gpu-dev show ${id8(found.id)}\` tells more`,
      { prospect: { passing: true, refused: true, preparing: true } },
    );
  await learnHost(home, host, found.host_key);
}
