import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { parsePublicKey } from "../../src/core/people/public-key.ts";
import { uint32, writeStrings } from "../../src/core/people/ssh-wire.ts";

const dir = mkdtempSync(join(tmpdir(), "gpu-dev-keys-"));
afterAll(() => rmSync(dir, { recursive: true }));

const keygen = (...args: string[]): string => execFileSync("ssh-keygen", args, { encoding: "utf8" });

let made = 0;
/** The line of a .pub file, made by ssh-keygen. */
function generate(type: string, bits?: number): string {
  const file = join(dir, `key-${made++}`);
  keygen("-q", "-t", type, ...(bits ? ["-b", String(bits)] : []), "-N", "", "-C", "ann@laptop", "-f", file);
  return readFileSync(`${file}.pub`, "utf8");
}

/** "SHA256:…" as ssh-keygen has it; throws when it refuses the key. */
function fingerprint(line: string): string | undefined {
  const file = join(dir, "line.pub");
  writeFileSync(file, line);
  return keygen("-l", "-f", file).split(" ")[1];
}

const b64 = (type: string, ...parts: (string | Buffer)[]): string =>
  `${type} ${writeStrings(type, ...parts).toString("base64")}`;
const point = (bytes: number): Buffer => Buffer.concat([Buffer.from([4]), Buffer.alloc(bytes - 1, 7)]);
const rsa = (n: Buffer, e = Buffer.from([1, 0, 1])): string => b64("ssh-rsa", e, n);
const modulus = (bytes: number): Buffer =>
  Buffer.concat([Buffer.from([0, 0x81]), Buffer.alloc(bytes - 1, 7)]);
const ED = generate("ed25519").trim();

describe("X-04 public keys", () => {
  test.each([
    ["ed25519", undefined],
    ["ecdsa", 256],
    ["ecdsa", 384],
    ["ecdsa", 521],
    ["rsa", 2048],
    ["rsa", 3072],
  ])("X-04 %s %s is accepted, with the fingerprint that ssh-keygen shows", (type, bits) => {
    const line = generate(type, bits);
    const key = parsePublicKey(line);
    expect(key.fingerprint).toBe(fingerprint(line));
    expect(`${key.line} ann@laptop\n`).toBe(line);
    expect(key.comment).toBe("ann@laptop");
  });

  test.each([
    ["sk-ssh-ed25519@openssh.com", [Buffer.alloc(32, 9), "ssh:"]],
    ["sk-ecdsa-sha2-nistp256@openssh.com", ["nistp256", p256(), "ssh:"]],
  ] as const)("X-04 %s is accepted as ssh-keygen does", (type, parts) => {
    const line = b64(type, ...parts);
    expect(parsePublicKey(line).fingerprint).toBe(fingerprint(line));
  });

  test.each<[string, string, RegExp]>([
    ["a short rsa key", rsa(modulus(128)), /has 1024 bits; 2048 are the least/],
    [
      "an rsa key just too short",
      rsa(Buffer.concat([Buffer.from([0x41]), Buffer.alloc(255, 7)])),
      /has 2047 bits/,
    ],
    ["a huge rsa key", rsa(modulus(4096)), /the most/],
    ["a negative modulus", rsa(Buffer.alloc(256, 0xff)), /damaged/],
    ["an even modulus", rsa(Buffer.concat([modulus(256).subarray(0, -1), Buffer.from([8])])), /damaged/],
    ["an exponent of one", rsa(modulus(256), Buffer.from([1])), /damaged/],
    ["dsa", b64("ssh-dss", "p", "q", "g", "y"), /"ssh-dss" is not an accepted type/],
    ["a certificate", b64("ssh-ed25519-cert-v01@openssh.com", "x"), /not an accepted type/],
    ["ssh1", "2048 65537 123456789", /"2048" is not/],
    ["options", `command="sh" ${ED}`, /options before the key/],
    ["no-pty", `no-pty ${ED}`, /options before the key/],
    ["environment", `environment="LD_PRELOAD=x" ${ED}`, /options before the key/],
    ["two lines", `${ED}\n${ED}`, /one key, in one line/],
    ["a carriage return", `${ED}\rcommand="sh"`, /one key, in one line/],
    ["a private key", newKeyPair().privateKey.replaceAll("\n", " "), /private key/],
    ["nothing", " ", /"" is not an accepted type/],
    ["a prototype's name", "constructor AAAA", /not an accepted type/],
    ["no blob", "ssh-ed25519", /damaged/],
    ["another type inside", `ssh-rsa ${ED.split(" ")[1]}`, /damaged/],
    ["a cut blob", ED.slice(0, 60), /damaged/],
    ["bytes after the key", b64("ssh-ed25519", Buffer.alloc(32), "more"), /damaged/],
    ["a short ed25519 key", b64("ssh-ed25519", Buffer.alloc(31)), /damaged/],
    ["a wrong curve", b64("ecdsa-sha2-nistp256", "nistp384", point(97)), /damaged/],
    ["a compressed point", b64("ecdsa-sha2-nistp256", "nistp256", Buffer.alloc(65, 2)), /damaged/],
    ["an sk key without its application", b64("sk-ssh-ed25519@openssh.com", Buffer.alloc(32)), /damaged/],
    ["a length beyond the end", `ssh-ed25519 ${uint32(0xffffffff).toString("base64")}`, /damaged/],
    ["another spelling of base64", `${ED.split(" ", 2).join(" ").replaceAll("=", "")}=`, /damaged/],
    ["url base64", b64("ssh-ed25519", Buffer.alloc(32, 0xff)).replaceAll("/", "_"), /damaged/],
  ])("X-04 %s is refused", (_what, line, words) => {
    expect(() => parsePublicKey(line)).toThrow(words);
    expect(() => parsePublicKey(line)).toThrow(
      expect.objectContaining({
        code: "invalid_input",
        errors: [expect.objectContaining({ field: "public_key" })],
      }),
    );
  });

  test("a comment is kept for showing, without control characters", () => {
    const { line, comment } = parsePublicKey(
      `${ED.split(" ").slice(0, 2).join(" ")} zoë\u001b[31m ${"x".repeat(300)}`,
    );
    expect(comment).toMatch(/^zoë\?\[31m x+$/);
    expect(comment).toHaveLength(255);
    expect(line.split(" ")).toHaveLength(2);
  });

  test("X-04 what is kept never has more than one line, whatever bytes come", () => {
    for (let i = 0; i < 2000; i++) {
      const at = i % ED.length;
      const changed = ED.slice(0, at) + String.fromCharCode((i * 7) % 256) + ED.slice(at + 1);
      const outcome = outcomeOf(changed);
      if (typeof outcome === "string") expect(outcome).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]+={0,2}$/);
      else expect(outcome).toMatchObject({ code: "invalid_input" });
    }
  });
});

function outcomeOf(line: string): unknown {
  try {
    return parsePublicKey(line).line;
  } catch (error) {
    return error;
  }
}

/** A real point of the curve, out of a key that ssh-keygen made. */
function p256(): Buffer {
  const blob = Buffer.from(generate("ecdsa", 256).split(" ")[1] ?? "", "base64");
  return blob.subarray(-65);
}

describe("key pairs that we make", () => {
  test("ssh-keygen reads the private key, finds the same public one, and signs with it", () => {
    for (let i = 0; i < 5; i++) {
      const { privateKey, publicKey } = newKeyPair();
      const file = join(dir, `own-${i}`);
      writeFileSync(file, privateKey, { mode: 0o600 });
      expect(keygen("-y", "-f", file).trim()).toBe(`${publicKey} gpu-dev`);
      expect(keygen("-l", "-f", file).split(" ")[1]).toBe(parsePublicKey(publicKey).fingerprint);
      writeFileSync(join(dir, "message"), "hello");
      keygen("-q", "-Y", "sign", "-f", file, "-n", "test", join(dir, "message"));
      rmSync(join(dir, "message.sig"));
    }
  });
});
