/** The body of a request: bounded while it is read, then JSON or nothing. */
import { Problem } from "../api/errors.ts";

/** Bytes; the largest body of JSON in the contract, a public key, has 16 KiB. */
export const BODY_LIMIT = 64 * 1024;

const JSON_TYPE = /^application\/json\s*(?:;\s*charset="?utf-8"?\s*)?$/i;

/** The JSON of the body, undefined when it is empty. Throws body_too_large, unsupported_media_type, malformed_json. */
export async function readJson(request: Request): Promise<unknown> {
  const bytes = await readBytes(request, BODY_LIMIT).catch(brokenOff);
  if (bytes.byteLength === 0) return undefined;
  checkType(request.headers, JSON_TYPE, "JSON", "application/json");
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new Problem("malformed_json", "the body is not valid JSON in UTF-8", { cause });
  }
}

/** A body of bytes of this type, of at most `limit` of them. Throws body_too_large, unsupported_media_type, malformed_json. */
export async function readPart(request: Request, type: string, limit: number): Promise<Uint8Array> {
  checkType(request.headers, new RegExp(`^${type}$`, "i"), type, type);
  return readBytes(request, limit).catch(brokenOff);
}

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  // The HTTP parser holds a sender to the length that it declared; only a chunked body can grow while it is read.
  if (declared === null) return readChunks(request.body, limit);
  if (Number(declared) > limit) throw tooLarge(limit);
  return new Uint8Array(await request.arrayBuffer());
}

async function readChunks(body: Request["body"], limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.byteLength;
    if (size > limit) throw tooLarge(limit);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Whoever sends goes away, or sends too little: no fault of the server, and nobody is left to read the answer. */
function brokenOff(cause: unknown): never {
  if (cause instanceof Problem) throw cause;
  throw new Problem("malformed_json", "the body broke off", { cause });
}

const tooLarge = (limit: number) =>
  new Problem("body_too_large", `the body is larger than ${limit / 1024} KiB`);

function checkType(headers: Headers, wanted: RegExp, words: string, name: string): void {
  const type = headers.get("content-type");
  const encoding = headers.get("content-encoding") ?? "identity";
  if (type !== null && wanted.test(type) && encoding === "identity") return;
  throw new Problem("unsupported_media_type", `the body must be ${words}, not compressed`, {
    hint: `send content-type: ${name}`,
  });
}
