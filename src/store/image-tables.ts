/** The tables of images: logins at registries, and contexts to build from. */
import { flag, instant, int, type Row, text } from "./columns.ts";

export const registryLoginShape = {
  user_id: text,
  host: text,
  username: text,
  /** The password, under the server's key; it is shown to nobody. */
  sealed: text,
  created_at: instant,
};

export const buildShape = {
  id: text,
  owner_id: text,
  /** SHA-256 of the context's tar file, in hex, as its owner announced it; it is compared when all has come. */
  digest: text,
  /** Within the context. */
  dockerfile: text,
  bytes: int,
  /** How many have come; all, for a context that is whole. */
  received: int,
  /** Whether the file is there, or a part of it. */
  stored: flag,
  created_at: instant,
  /** When it was last asked for or needed. */
  used_at: instant,
};

export type RegistryLoginRow = Row<typeof registryLoginShape>;
export type BuildRow = Row<typeof buildShape>;
