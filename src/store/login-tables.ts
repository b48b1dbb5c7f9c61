/** The tables of logins and what each column may hold. */
import { instant, int, nullable, oneOf, type Row, text } from "./columns.ts";

export const identityShape = {
  /** Who says so: the issuer, GitHub's address, or "aws". */
  provider: text,
  /** By which the provider knows the person, for ever. */
  subject: text,
  user_id: text,
  created_at: instant,
  /** What the provider called the person when it was linked. */
  name: nullable(text),
  /** The user who linked it, and the token with which; null where it came of the first login. */
  made_by: nullable(text),
  made_with: nullable(text),
};

export const loginShape = {
  /** SHA-256 of the secret by which the client knows it. */
  hash: text,
  kind: oneOf(["oidc", "github", "aws"]),
  /** By which the provider knows it; null for one that no provider was told of. */
  device_code: nullable(text),
  /** How often the provider may be asked about it, and when the next time. */
  interval_s: int,
  next_poll_at: instant,
  expires_at: instant,
};

export type IdentityRow = Row<typeof identityShape>;
export type LoginRow = Row<typeof loginShape>;
