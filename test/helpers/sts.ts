/** A stand-in of AWS's token service: it answers GetCallerIdentity to who has signed for it, by AWS's manual of Signature Version 4. */
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";

interface Keys {
  readonly secret: string;
  readonly token?: string;
  readonly arn: string;
  readonly userId: string;
}

export interface Sts {
  readonly url: string;
  /** By access key. */
  readonly keys: Record<string, Keys>;
  now: () => Date;
  /** What came, as it came. */
  readonly requests: string[];
}

type Answer = { readonly status: number; readonly body: object };

export async function startSts(keys: Sts["keys"], now: () => Date): Promise<Sts> {
  const sts: Sts = { url: "", keys, now, requests: [] };
  const http = createServer((request, response) => {
    sts.requests.push(request.url ?? "");
    const { status, body } = answer(sts, request);
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  return Object.assign(sts, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

function answer({ keys, now }: Sts, request: IncomingMessage): Answer {
  const { pathname, searchParams: query } = new URL(request.url ?? "", "http://sts");
  const [id = "", day, region, service, last] = (query.get("X-Amz-Credential") ?? "").split("/");
  const known = keys[id];
  if (!known || (query.get("X-Amz-Security-Token") ?? undefined) !== known.token)
    return fault("InvalidClientTokenId");
  const date = query.get("X-Amz-Date") ?? "";
  const signedAt = Date.parse(date.replace(/(....)(..)(..)T(..)(..)(..)Z/, "$1-$2-$3T$4:$5:$6Z"));
  const age = (now().getTime() - signedAt) / 1000;
  if (!(age >= -300 && age <= Number(query.get("X-Amz-Expires")))) return fault("RequestExpired");
  const isScope =
    day === date.slice(0, 8) && service === "sts" && last === "aws4_request" && pathname === "/";
  const scope = [day, region, service, last].join("/");
  const toSign = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical(request, query))].join("\n");
  const key = [day, region, service, last].reduce<string | Buffer>(
    (made, part) => hmac(made, part ?? ""),
    `AWS4${known.secret}`,
  );
  if (!isScope || hmac(key, toSign).toString("hex") !== query.get("X-Amz-Signature"))
    return fault("SignatureDoesNotMatch");
  if (query.get("Action") !== "GetCallerIdentity") return fault("InvalidAction");
  const result = { Arn: known.arn, UserId: known.userId, Account: known.arn.split(":")[4] };
  return { status: 200, body: { GetCallerIdentityResponse: { GetCallerIdentityResult: result } } };
}

const fault = (Code: string): Answer => ({
  status: 403,
  body: { Error: { Code, Message: "in words", Type: "Sender" } },
});

function canonical({ method, headers }: IncomingMessage, query: URLSearchParams): string {
  const signed = (query.get("X-Amz-SignedHeaders") ?? "").split(";");
  const pairs = [...query]
    .filter(([name]) => name !== "X-Amz-Signature")
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort();
  const lines = signed.map((name) => `${name}:${headers[name] ?? ""}\n`).join("");
  return [method, "/", pairs.join("&"), lines, signed.join(";"), sha256("")].join("\n");
}

const encode = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const hmac = (key: string | Buffer, text: string): Buffer => createHmac("sha256", key).update(text).digest();
