/** Who holds an advisory lock of PostgreSQL, as far as this role may know. */
import { sql } from "kysely";
import type { Db } from "./tables.ts";

interface Holder {
  readonly pid: number;
  readonly address: string | null;
  readonly since: Date | null;
}

/** In words. A session that is gone holds none. */
export async function lockHolder(db: Db, key: number): Promise<string> {
  const { rows } = await sql<Holder>`
    select l.pid, host(a.client_addr) as address, a.xact_start as since
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.granted and l.classid = 0 and l.objid = ${sql.lit(key)} and l.objsubid = 1
      and l.database = (select oid from pg_database where datname = current_database())`.execute(db);
  const [holder] = rows;
  if (!holder) return "one that is done by now";
  const { pid, address, since } = holder;
  const from = address === null ? "" : ` from ${address}`;
  return `session ${pid} of the database${from}${since === null ? "" : `, since ${since.toISOString()}`}`;
}
