/** Setting quotas: of everybody who has none of his own, of a user, and of a team. The routes are for administrators. */

import { Problem } from "../../api/errors.ts";
import { nearest } from "../../api/nearest.ts";
import type { Quota, SetQuota } from "../../api/quotas.ts";
import type { Page } from "../../api/schemas.ts";
import type { Tx } from "../../store/db.ts";
import type { QuotaRow } from "../../store/quota-tables.ts";
import { deleteQuota, findQuota, listQuotas as listRows, saveQuota } from "../../store/quotas.ts";
import { listTeams } from "../../store/teams.ts";
import { userNames } from "../../store/users.ts";
import { record } from "../audit/record.ts";
import type { Core } from "../core.ts";
import { type PageQuery, pageOfNamed } from "../cursor.ts";
import { listGpuTypes } from "../gpus/inventory.ts";
import type { Caller } from "../people/access.ts";
import { knownTeam, knownUser } from "../teams.ts";
import { typesOf } from "./limits.ts";

/** The default first, then users and teams by name. */
export async function listQuotas(core: Core, query: PageQuery = {}): Promise<Page<Quota>> {
  const all = await core.store.read(async (db) => {
    const rows = await listRows(db);
    const subjects = rows.map((row) => row.subject);
    const teams = (await listTeams(db)).map(({ id, name }) => [id, name] as const);
    const names = new Map([...(await userNames(db, subjects)), ...teams]);
    return rows.map((row) => view(row, names.get(row.subject) ?? null));
  });
  return pageOfNamed(all, query, "quotas", placeOf);
}

const placeOf = ({ kind, name }: Quota): string => `${["default", "user", "team"].indexOf(kind)} ${name}`;

/** What is left out stays; null takes a limit away. It takes nothing from what runs or was promised. Throws Problem not_found, invalid_input. */
export async function setQuota(core: Core, caller: Caller, input: SetQuota): Promise<Quota> {
  await checkTypes(core, input.gpu_types ?? []);
  const set = await core.store.write(
    async (tx) => {
      const { kind, subject, name } = await subjectOf(tx, input);
      const before = await findQuota(tx.db, kind, subject);
      const row = changed(before ?? { ...NOTHING, kind, subject }, input);
      if (Object.keys(NOTHING).some((key) => row[key as keyof typeof NOTHING] !== null))
        await saveQuota(tx, row);
      else await deleteQuota(tx, kind, subject);
      const quota = view(row, name);
      await record(tx, caller.id, "quota.set", name ?? kind, JSON.stringify(quota));
      return quota;
    },
    { lock: "schedule" },
  );
  core.signals.emit("wake");
  return set;
}

const NOTHING = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };

function changed(row: QuotaRow, { gpus, gpu_seconds, max_duration_s, gpu_types }: SetQuota): QuotaRow {
  return {
    ...row,
    ...(gpus === undefined ? {} : { gpus }),
    ...(gpu_seconds === undefined ? {} : { gpu_seconds }),
    ...(max_duration_s === undefined ? {} : { max_duration_s }),
    ...(gpu_types === undefined ? {} : { gpu_types: gpu_types && JSON.stringify(gpu_types) }),
  };
}

async function subjectOf(
  tx: Tx,
  { user, team }: SetQuota,
): Promise<Pick<QuotaRow, "kind" | "subject"> & { name: string | null }> {
  if (user !== undefined) return { kind: "user", subject: (await knownUser(tx.db, user)).id, name: user };
  if (team !== undefined) return { kind: "team", subject: (await knownTeam(tx.db, team)).id, name: team };
  return { kind: "default", subject: "", name: null };
}

/** A mistyped type would forbid what was meant. */
async function checkTypes(core: Core, types: readonly string[]): Promise<void> {
  const known = (await listGpuTypes(core)).items.map((type) => type.name);
  const unknown = types.find((type) => !known.includes(type));
  if (unknown === undefined) return;
  const detail = `there is no GPU type ${JSON.stringify(unknown)}; there are: ${known.join(", ")}`;
  const meant = nearest(unknown, known);
  throw new Problem("invalid_input", `gpu_types: ${detail}`, {
    hint: meant === undefined ? undefined : `did you mean ${meant}?`,
    errors: [{ field: "gpu_types", code: "invalid", detail }],
  });
}

const view = (row: QuotaRow, name: string | null): Quota => ({
  kind: row.kind,
  name,
  gpus: row.gpus,
  gpu_seconds: row.gpu_seconds,
  max_duration_s: row.max_duration_s,
  gpu_types: typesOf(row.gpu_types),
});
