/** Where the tunnels of a command that opens them itself go. */
import { type Endpoint, tunnelEndpoint } from "../../api/home.ts";
import { proxyFor } from "../../api/proxy.ts";
import type { TunnelOptions } from "../../tunnel/client.ts";
import type { Context } from "../context.ts";
import { Unreachable } from "../errors.ts";
import { endpointOf } from "../http/api.ts";

/**
 * True for a server of this machine that has died and may be on its way back: what listens at its address meanwhile gets no
 * token, and what it says about that means nothing.
 */
export const isAway = ({ context, token }: Endpoint): boolean => context === "local" && token === undefined;

/** Asked at each dial: a token may have been replaced. Throws Unreachable while there is no server. */
export const tunnelServer =
  (ctx: Context): TunnelOptions["server"] =>
  () => {
    const found = endpointOf(ctx, ctx.home, ctx.global);
    if (isAway(found)) throw new Unreachable(found, "it does not run any more", undefined);
    const endpoint = tunnelEndpoint(ctx.env, found);
    return { ...endpoint, proxy: proxyFor(ctx.env, endpoint.url) };
  };
