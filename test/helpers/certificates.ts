/** An authority of our own, made by openssl: what a company's proxy or a test's server shows. */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export interface Certificates {
  /** Where the files are: ca.pem, server.key, server.pem. */
  readonly dir: string;
  /** The authority's certificate file, for NODE_EXTRA_CA_CERTS. */
  readonly authority: string;
  /** What a server takes. */
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** A certificate for `names` (host names and addresses) in `dir`, signed by an authority that nobody knows. */
export function makeCertificates(dir: string, names: readonly string[]): Certificates {
  const file = (name: string): string => join(dir, name);
  const openssl = (...args: string[]): Buffer => execFileSync("openssl", args, { stdio: "pipe" });
  const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const authority = ["-x509", "-subj", "/CN=authority of a test", "-days", "2"];
  openssl("req", ...authority, ...newKey, "-keyout", file("ca.key"), "-out", file("ca.pem"));
  openssl("req", "-subj", "/CN=a test", ...newKey, "-keyout", file("server.key"), "-out", file("server.csr"));
  const alternatives = names.map((name) => `${/^[\d.]+$/.test(name) ? "IP" : "DNS"}:${name}`);
  writeFileSync(file("server.ext"), `subjectAltName=${alternatives.join(",")}\n`);
  const signing = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"];
  const leaf = ["-in", file("server.csr"), "-extfile", file("server.ext"), "-out", file("server.pem")];
  openssl("x509", "-req", ...signing, ...leaf);
  return {
    dir,
    authority: file("ca.pem"),
    key: readFileSync(file("server.key")),
    cert: readFileSync(file("server.pem")),
  };
}
