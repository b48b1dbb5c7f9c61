/** Where an entry of the audit trail comes from and how it ended, how it is looked for, and that it stays as it is. */
import type { Migration } from "../migrate.ts";

const WORDS = "the audit trail is append-only";

/** Retention alone deletes: it says in `audit_retention`, for its own transaction, before when. */
const sqlite = [
  `create trigger audit_unchanged before update on audit begin select raise(abort, '${WORDS}'); end`,
  `create trigger audit_kept before delete on audit
    when not exists (select 1 from audit_retention where old.at < before)
    begin select raise(abort, '${WORDS}'); end`,
  // "insert or replace" would delete without asking the trigger above.
  `create trigger audit_not_replaced before insert on audit
    when exists (select 1 from audit where id = new.id) begin select raise(ignore); end`,
];

const postgres = [
  `create function audit_append_only() returns trigger language plpgsql as $$
  begin
    if tg_op = 'DELETE' then
      if exists (select 1 from audit_retention where old.at < before) then return old; end if;
    end if;
    raise exception '${WORDS}';
  end $$`,
  `create trigger audit_kept before update or delete on audit for each row execute function audit_append_only()`,
  `create trigger audit_not_truncated before truncate on audit execute function audit_append_only()`,
];

export const auditTrail: Migration = {
  number: 24,
  name: "0024-audit-trail",
  statements: (text, engine) => [
    `alter table audit add column outcome ${text} not null default 'ok'`,
    `alter table audit add column from_address ${text}`,
    `alter table audit add column request_id ${text}`,
    `create index audit_by_actor on audit (actor, at, id)`,
    `create index audit_by_action on audit (action, at, id)`,
    `create index audit_by_subject on audit (subject, at, id)`,
    `create table audit_retention (before ${text} primary key)`,
    ...(engine === "sqlite" ? sqlite : postgres),
  ],
};
