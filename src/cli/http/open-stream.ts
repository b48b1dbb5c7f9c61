/** An answer whose body is read as it comes: over node:http or node:https, through the user's proxy by undici. */
import { type IncomingMessage, request as requestHttp } from "node:http";
import type { HttpProxy } from "../../api/proxy.ts";
import type { OpenStream, StreamReply } from "../context.ts";

/** Opens it, directly or through `proxy`. Rejects with the socket's error, or the signal's reason. */
export function openStream(proxy: HttpProxy | undefined): OpenStream {
  return proxy === undefined ? direct : (url, init) => proxied(proxy, url, init);
}

const direct: OpenStream = async (url, { headers, signal }) => {
  const make = url.startsWith("https:") ? (await import("node:https")).request : requestHttp;
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    make(url, { headers, signal, agent: false }).on("error", reject).on("response", resolve).end();
  });
  return reply(response.statusCode ?? 0, response.headers["content-type"], response);
};

async function proxied(
  proxy: HttpProxy,
  url: string,
  { headers, signal }: Parameters<OpenStream>[1],
): Promise<StreamReply> {
  const { ProxyAgent, request } = await import("undici");
  const token = proxy.authorization === undefined ? {} : { token: proxy.authorization };
  // The server's heartbeats say whether it is there; no timeout of ours may end a quiet stream.
  const agent = new ProxyAgent({ uri: proxy.url, ...token, bodyTimeout: 0 });
  const response = await request(url, { headers, signal, dispatcher: agent });
  const type = response.headers["content-type"];
  return reply(response.statusCode, typeof type === "string" ? type : undefined, response.body);
}

const reply = (status: number, type: string | undefined, body: AsyncIterable<Uint8Array>): StreamReply => ({
  status,
  contentType: type ?? "",
  body,
});
