/**
 * One line of an OpenSSH public key file, parsed down to the numbers: formats of RFC 4253 section 6.6 (rsa), RFC 5656
 * (ecdsa), RFC 8709 (ed25519) and OpenSSH's PROTOCOL.u2f (sk-). What is kept is written anew from what was parsed.
 */
import { createHash } from "node:crypto";
import { Problem } from "../../api/errors.ts";
import { readStrings } from "./ssh-wire.ts";

export interface PublicKey {
  readonly type: string;
  /** "type base64": one line for authorized_keys, without options or comment. */
  readonly line: string;
  /** "SHA256:…", as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  readonly comment: string;
}

const MIN_RSA_BITS = 2048;
const MAX_RSA_BITS = 16_384;
const MAX_COMMENT = 255;

/** What is wrong with the parts of a key of this type, the type's own name excluded; undefined when nothing is. */
type Fault = (parts: readonly Buffer[]) => string | undefined;

const KINDS: Readonly<Record<string, Fault>> = {
  "ssh-ed25519": (parts) => lengths(parts, 32),
  "sk-ssh-ed25519@openssh.com": (parts) => lengths(parts, 32, "any"),
  "ecdsa-sha2-nistp256": (parts) => curve(parts, "nistp256", 65, 2),
  "ecdsa-sha2-nistp384": (parts) => curve(parts, "nistp384", 97, 2),
  "ecdsa-sha2-nistp521": (parts) => curve(parts, "nistp521", 133, 2),
  "sk-ecdsa-sha2-nistp256@openssh.com": (parts) => curve(parts, "nistp256", 65, 3),
  "ssh-rsa": rsaFault,
};

const DAMAGED = "the key is damaged: its bytes do not have the form of its type";

/** Throws Problem (invalid_input, field public_key) with what is wrong. */
export function parsePublicKey(text: string): PublicKey {
  const line = text.trim();
  if (/[\r\n\0]/.test(line)) throw refused("give one key, in one line");
  const [type = "", base64 = "", ...rest] = line.split(/[ \t]+/);
  const fault = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined;
  if (!fault) throw refused(describeType(type, line));
  const blob = decode(base64);
  const [name, ...parts] = (blob && readStrings(blob)) ?? [];
  if (!blob || name?.toString("latin1") !== type) throw refused(DAMAGED);
  const found = fault(parts);
  if (found !== undefined) throw refused(found);
  return {
    type,
    line: `${type} ${base64}`,
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replaceAll("=", "")}`,
    comment: printable(rest.join(" ")),
  };
}

function refused(detail: string): Problem {
  return new Problem("invalid_input", `public_key: ${detail}`, {
    hint: "paste the line of a .pub file, such as ~/.ssh/id_ed25519.pub; accepted are ed25519, ecdsa, rsa (2048 bits or more) and their sk- kinds",
    errors: [{ field: "public_key", code: "invalid", detail }],
  });
}

function describeType(type: string, line: string): string {
  if (line.startsWith("-----BEGIN"))
    return "this is a private key; give the public one (and keep this one secret)";
  if (/(^|[\s,])(command|restrict|no-|from|environment|permitopen|cert-authority)/.test(line))
    return "options before the key are not accepted";
  return `${JSON.stringify(type.slice(0, 40))} is not an accepted type of key`;
}

/** Bytes of canonical base64: what encodes to another text is refused, so that one key has one spelling. */
function decode(base64: string): Buffer | undefined {
  const bytes = Buffer.from(base64, "base64");
  return bytes.length > 0 && bytes.toString("base64") === base64 ? bytes : undefined;
}

function lengths(parts: readonly Buffer[], ...wanted: readonly (number | "any")[]): string | undefined {
  const fits =
    parts.length === wanted.length &&
    wanted.every((w, i) => (w === "any" ? (parts[i]?.length ?? 0) > 0 : parts[i]?.length === w));
  return fits ? undefined : DAMAGED;
}

/** The curve's name, an uncompressed point, and for sk- kinds the application. */
function curve(parts: readonly Buffer[], name: string, point: number, count: 2 | 3): string | undefined {
  const wanted = [name.length, point, "any"] as const;
  const shape = lengths(parts, ...wanted.slice(0, count));
  if (shape !== undefined) return shape;
  return parts[0]?.toString("latin1") === name && parts[1]?.[0] === 4 ? undefined : DAMAGED;
}

function rsaFault(parts: readonly Buffer[]): string | undefined {
  const [exponent, modulus] = parts;
  if (parts.length !== 2 || !exponent || !modulus) return DAMAGED;
  const [e, n] = [bits(exponent), bits(modulus)];
  // An even exponent or modulus belongs to no RSA key.
  if (e === undefined || n === undefined || e < 2 || !odd(exponent) || !odd(modulus)) return DAMAGED;
  if (n < MIN_RSA_BITS) return `the rsa key has ${n} bits; ${MIN_RSA_BITS} are the least`;
  return n > MAX_RSA_BITS ? `the rsa key has ${n} bits; ${MAX_RSA_BITS} are the most` : undefined;
}

const odd = (integer: Buffer): boolean => ((integer.at(-1) ?? 0) & 1) === 1;

/** Bits of a positive mpint in its shortest form (RFC 4251); undefined for any other. */
function bits(integer: Buffer): number | undefined {
  const [first = 0, second = 0] = integer;
  if (integer.length === 0 || first > 127) return undefined;
  if (first !== 0) return (integer.length - 1) * 8 + (32 - Math.clz32(first));
  return second > 127 ? (integer.length - 1) * 8 : undefined;
}

const printable = (comment: string): string => comment.replace(/\p{C}/gu, "?").slice(0, MAX_COMMENT);
