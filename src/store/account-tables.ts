/** The tables of users, their tokens and their ssh keys, and what each column may hold. */
import { SCOPES } from "../api/token-routes.ts";
import { instant, nullable, oneOf, type Row, text } from "./columns.ts";

export const userShape = {
  id: text,
  name: text,
  role: oneOf(["user", "admin"]),
  created_at: instant,
  /** Since when no token of theirs is good. */
  disabled_at: nullable(instant),
};

export const tokenShape = {
  id: text,
  user_id: text,
  /** SHA-256 of the token, in hex; the token itself is nowhere. */
  hash: text,
  label: text,
  created_at: instant,
  expires_at: nullable(instant),
  revoked_at: nullable(instant),
  /** The server whose own token it is: good while that one serves. */
  server: nullable(text),
  /** When that server went or made another; tunnels that it opened go on. */
  replaced_at: nullable(instant),
  /** The one reservation that it is good for, whatever its scope says; null for all that its scope allows. */
  reservation_id: nullable(text),
  scope: oneOf(SCOPES),
  /** How it begins; empty for one from before that was kept. */
  prefix: text,
  /** To the minute. */
  last_used_at: nullable(instant),
  /** Another was made in its place. */
  rotated_at: nullable(instant),
  /** The user who made it; null for the server, and for one from before that was kept. */
  made_by: nullable(text),
  /** The token that it was made with, or the linked login that it came of; null for one of the server. */
  made_with: nullable(text),
  /** Neither it nor what takes its place is good for longer; null where nothing but its user bounds that. */
  ends_by: nullable(instant),
};

export const keyShape = {
  id: text,
  user_id: text,
  type: text,
  fingerprint: text,
  /** "type base64", without the comment. */
  public_key: text,
  comment: text,
  created_at: instant,
};

export type UserRow = Row<typeof userShape>;
export type TokenRow = Row<typeof tokenShape>;
export type KeyRow = Row<typeof keyShape>;
