/** Idempotency-Key: a POST that creates and is sent again gets the first answer again. */
import { createHash, createHmac } from "node:crypto";
import { Problem } from "../api/errors.ts";
import type { Idempotency } from "../core/idempotency.ts";
import { bearerToken } from "./auth.ts";

const KEY = /^[\x21-\x7e]{1,255}$/;

/** The key of a request with what it stands for (SHA-256 over method, path and body); undefined without a key. Throws invalid_input for a key that cannot be one. */
export function readIdempotency(request: Request, path: string, body: unknown): Idempotency | undefined {
  const key = request.headers.get("idempotency-key");
  if (key === null) return undefined;
  if (!KEY.test(key)) {
    const detail = "must be 1 to 255 printable ASCII characters without spaces";
    throw new Problem("invalid_input", `Idempotency-Key: ${detail}`, {
      errors: [{ field: "Idempotency-Key", code: "format", detail }],
    });
  }
  const text = `${request.method}\n${path}\n${canonical(body)}`;
  const token = bearerToken(request.headers.get("authorization")) ?? "";
  return {
    key,
    requestHash: createHash("sha256").update(text).digest("hex"),
    seal: createHmac("sha256", token).update("seal").digest(),
  };
}

/** JSON with sorted members, so that their order does not make another request. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    v !== null && typeof v === "object" && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}
