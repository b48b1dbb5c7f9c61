/** The certificate's files: what is refused at the start, and what is taken and what not while the server runs. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { Certificate, readPair } from "../../src/server/certificate.ts";
import { createLogger } from "../../src/server/log.ts";
import { type Certificates, makeCertificates } from "../helpers/certificates.ts";
import { FakeClock } from "../tunnel/fake-clock.ts";

let home: string;
let made: { first: Certificates; second: Certificates };
let lines: string[];
const logger = createLogger("info", { write: (line) => lines.push(line) });
const files = () => ({ cert: join(home, "tls.crt"), key: join(home, "tls.key") });

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "gd-tls-"));
  const certificates = (name: string) => {
    mkdirSync(join(home, name));
    return makeCertificates(join(home, name), ["gpu.example.com"]);
  };
  made = { first: certificates("first"), second: certificates("second") };
});
afterAll(() => rmSync(home, { recursive: true }));
beforeEach(() => {
  lines = [];
  put("first");
});

function put(name: "first" | "second", what: readonly ("cert" | "key")[] = ["cert", "key"]): void {
  const { dir } = made[name];
  if (what.includes("cert")) copyFileSync(join(dir, "server.pem"), files().cert);
  if (what.includes("key")) copyFileSync(join(dir, "server.key"), files().key);
}

test("a pair that cannot be used is refused, with the file and what is wrong with it", async () => {
  const { cert, key } = files();
  const nowhere = join(home, "nowhere");
  await expect(readPair({ cert: nowhere, key })).rejects.toThrow(
    `tls_cert ${nowhere} cannot be read (ENOENT)`,
  );
  await expect(readPair({ cert: key, key })).rejects.toThrow(`tls_cert ${key} is no certificate in PEM`);
  await expect(readPair({ cert, key: cert })).rejects.toThrow(`tls_key ${cert} is no private key`);
  put("second", ["key"]);
  await expect(readPair({ cert, key })).rejects.toThrow(
    `tls_key ${key} is not the key of the certificate in ${cert}`,
  );
});

test("X-06 a new pair is taken when it is whole; a bad one is told once, and the one before stays", async () => {
  const clock = new FakeClock();
  const certificate = await Certificate.open(files(), logger, clock);
  const taken: string[] = [];
  certificate.onNew(({ leaf }) => taken.push(leaf.fingerprint256));
  const before = certificate.pair.leaf.fingerprint256;
  await certificate.look();
  expect(taken).toEqual([]);

  put("second", ["cert"]);
  await certificate.look();
  await certificate.look();
  expect(certificate.pair.leaf.fingerprint256).toBe(before);
  expect(lines.filter((line) => line.includes("is not taken"))).toHaveLength(1);
  expect(lines.join("")).toContain("is not the key of the certificate");

  put("second");
  clock.tick(10_000);
  await certificate.look();
  expect(taken).toEqual([certificate.pair.leaf.fingerprint256]);
  expect(taken).not.toContain(before);
  expect(lines.join("")).toContain("gpu.example.com");
  expect(lines.join("")).not.toContain("PRIVATE KEY");

  writeFileSync(files().key, "nonsense");
  await certificate.look();
  expect(certificate.pair.leaf.fingerprint256).toBe(taken[0]);
  certificate.close();
  expect(clock.pending).toBe(0);
});
