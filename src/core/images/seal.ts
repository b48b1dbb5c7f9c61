/** Secrets of users that the server has to show to others again, such as registries: sealed with a key that is not in the database. */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { fingerprintOf } from "./seal-key.ts";

export const SEAL_KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export interface Sealer {
  /** Of its key. */
  readonly fingerprint: string;
  /** `about` says whose it is: what was sealed for one cannot be opened as another's. */
  seal(secret: string, about: string): string;
  /** Undefined for what this key did not seal, or not for this. */
  open(sealed: string, about: string): string | undefined;
}

/** AES-256-GCM; what is sealed is base64url of nonce, tag and ciphertext. */
export function createSealer(key: Uint8Array): Sealer {
  return {
    fingerprint: fingerprintOf(key),
    seal(secret, about) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(about));
      const text = Buffer.concat([cipher.update(secret, "utf8"), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), text]).toString("base64url");
    },
    open(sealed, about) {
      const bytes = Buffer.from(sealed, "base64url");
      if (bytes.length < NONCE_BYTES + TAG_BYTES) return undefined;
      const tag = bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES);
      const cipher = createDecipheriv("aes-256-gcm", key, bytes.subarray(0, NONCE_BYTES))
        .setAAD(Buffer.from(about))
        .setAuthTag(tag);
      const text = cipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES));
      try {
        return Buffer.concat([text, cipher.final()]).toString("utf8");
      } catch {
        // Node has no code for a tag that does not fit; nothing else fails here.
        return undefined;
      }
    },
  };
}
