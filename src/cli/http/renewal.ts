/** A request that is answered with 401 is sent once more, with a new token (C-03). */
import type { Fetch } from "../../api/client.ts";

/** `renew` is asked once, for all requests; undefined from it: what the server said stands. */
export function withRenewal(fetch: Fetch, renew: () => Promise<string | undefined>): Fetch {
  let renewed: Promise<string | undefined> | undefined;
  return async (url, init) => {
    const send = (token: string | undefined): ReturnType<Fetch> =>
      token === undefined
        ? fetch(url, init)
        : fetch(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${token}` } });
    if (renewed) return send(await renewed);
    const reply = await send(undefined);
    if (reply.status !== 401 || init.headers.authorization === undefined) return reply;
    renewed ??= renew();
    const token = await renewed;
    return token === undefined ? reply : send(token);
  };
}
