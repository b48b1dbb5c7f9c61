/** Ed25519 key pairs in OpenSSH's formats, for a pod's host key and for the probe's login. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { uint32, writeStrings } from "./ssh-wire.ts";

export interface KeyPair {
  /** The private key file's text, unencrypted (OpenSSH, PROTOCOL.key). */
  readonly privateKey: string;
  /** "ssh-ed25519 AAAA…" */
  readonly publicKey: string;
}

const KIND = "ssh-ed25519";
const BLOCK = 8;

/** A new random pair. */
export function newKeyPair(): KeyPair {
  const { x, d } = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  if (!x || !d) throw new Error("the runtime made no ed25519 key");
  const publicBytes = Buffer.from(x, "base64url");
  const blob = writeStrings(KIND, publicBytes);
  return {
    privateKey: pem(blob, publicBytes, Buffer.from(d, "base64url")),
    publicKey: `${KIND} ${blob.toString("base64")}`,
  };
}

function pem(blob: Buffer, publicBytes: Buffer, seed: Buffer): string {
  // The same random number twice: a reader with a wrong passphrase would see two different ones.
  const check = randomBytes(4);
  const secret = writeStrings(KIND, publicBytes, Buffer.concat([seed, publicBytes]), "gpu-dev");
  const unpadded = Buffer.concat([check, check, secret]);
  const padding = Buffer.from(Array.from({ length: -unpadded.length & (BLOCK - 1) }, (_, i) => i + 1));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    writeStrings("none", "none", ""),
    uint32(1),
    writeStrings(blob, Buffer.concat([unpadded, padding])),
  ]);
  const lines = file.toString("base64").replace(/.{1,70}/g, "$&\n");
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`;
}
