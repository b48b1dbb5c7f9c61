/** Where the tunnels of a command that opens them itself go. */
import { tunnelEndpoint } from "../api/home.ts";
import { proxyFor } from "../api/proxy.ts";
import type { TunnelOptions } from "../tunnel/client.ts";
import { endpointOf } from "./api.ts";
import type { Context } from "./context.ts";

/** Asked at each dial: a token may have been replaced. */
export const tunnelServer =
  (ctx: Context): TunnelOptions["server"] =>
  () => {
    const endpoint = tunnelEndpoint(ctx.env, endpointOf(ctx, ctx.home, ctx.global));
    return { ...endpoint, proxy: proxyFor(ctx.env, endpoint.url) };
  };
