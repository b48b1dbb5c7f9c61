/** Load whose latencies are all kept: requests at a fixed pace, and many connections at once. */
import { once } from "node:events";
import { Agent, get as httpGet, type IncomingMessage, type RequestOptions } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

export interface Get {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Milliseconds of each request, from when it was due: who waits for a late one waits too. Throws for any answer but 200. */
export async function paced({ url, headers }: Get, perSecond: number, seconds: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 100 });
  const began = performance.now();
  const took: number[] = [];
  const sent: Promise<void>[] = [];
  const ask = async (due: number): Promise<void> => {
    const status = await statusOf(url, { agent, headers });
    if (status !== 200) throw new Error(`${url}: HTTP ${status}`);
    took.push(performance.now() - began - due);
  };
  const all = Math.round(perSecond * seconds);
  for (let n = 0; n < all; n = sent.length) {
    const until = Math.min(all, ((performance.now() - began) / 1000) * perSecond);
    for (; n < until; n++) sent.push(ask((n / perSecond) * 1000));
    await pause(1);
  }
  await Promise.all(sent);
  agent.destroy();
  return took;
}

/** A kept connection may be closed by the server in the moment in which it is used: then it is asked again, as browsers do. */
async function statusOf(url: string, options: RequestOptions): Promise<number | undefined> {
  const request = httpGet(url, options);
  try {
    const [response] = (await once(request, "response")) as [IncomingMessage];
    await response.resume().toArray();
    return response.statusCode;
  } catch (error) {
    if (request.reusedSocket) return statusOf(url, options);
    throw error;
  }
}

/** How many of that many new connections, all made at once, are served. */
export async function burst({ url, headers }: Get, count: number): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  const lines = Object.entries({ host: hostname, connection: "close", ...headers }).map(
    ([k, v]) => `${k}: ${v}\r\n`,
  );
  const one = async (): Promise<boolean> => {
    const socket = connect(Number(port), hostname);
    // Not ended: a client that closes its side is taken for one that has gone.
    socket.write(`GET ${pathname} HTTP/1.1\r\n${lines.join("")}\r\n`);
    const text = Buffer.concat(await socket.toArray()).toString();
    return text.startsWith("HTTP/1.1 200 ");
  };
  const served = await Promise.allSettled(Array.from({ length: count }, one));
  return served.filter((outcome) => outcome.status === "fulfilled" && outcome.value).length;
}
