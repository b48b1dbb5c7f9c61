/** The tables of teams and quotas, and what each column may hold. */
import { instant, int, nullable, oneOf, type Row, text } from "./columns.ts";

export const teamShape = { id: text, name: text, created_at: instant };
export const memberShape = { user_id: text, team_id: text, since: instant };

const QUOTA_KINDS = ["default", "user", "team"] as const;
export const quotaShape = {
  /** "default" is for every user who has no value of his own. */
  kind: oneOf(QUOTA_KINDS),
  /** The id of the user or the team; empty for the default. */
  subject: text,
  /** Null: this does not limit it. */
  gpus: nullable(int),
  gpu_seconds: nullable(int),
  max_duration_s: nullable(int),
  /** A JSON list of names. */
  gpu_types: nullable(text),
};

export type TeamRow = Row<typeof teamShape>;
export type MemberRow = Row<typeof memberShape>;
export type QuotaRow = Row<typeof quotaShape>;
