/** Backup and restore by the commands that docs/operations.md gives, word for word, while the server runs. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { startOwnServer } from "../helpers/own-server.ts";
import { asSuperuser, createDatabase } from "../helpers/postgres.ts";
import { processesNaming } from "../helpers/processes.ts";

const documentation = readFileSync(join(import.meta.dirname, "..", "..", "docs", "operations.md"), "utf8");
const GUARD = { timeout: 60_000, interval: 50 };
const POSTGRES = "/usr/lib/postgresql";

/** Runs the one line of the page that begins so, with other places than those of the page. */
function runLine(start: string, places: Readonly<Record<string, string>>): void {
  const [line, ...more] = documentation.split("\n").filter((each) => each.startsWith(`    ${start}`));
  if (line === undefined || more.length > 0) throw new Error(`not one line of the page begins with ${start}`);
  const command = Object.entries(places).reduce((text, [here, there]) => text.replaceAll(here, there), line);
  const tools = readdirSync(POSTGRES).map((version) => join(POSTGRES, version, "bin"));
  const path = [dirname(process.execPath), ...tools, process.env.PATH].join(delimiter);
  execFileSync("sh", ["-c", command], { env: { ...process.env, PATH: path }, stdio: "pipe" });
}

interface Database {
  readonly url?: string;
  backUp(): void;
  /** Takes away what there is and puts the backup in its place. */
  restore(): Promise<void>;
}

function sqlite(parent: string): Database {
  const [data, backup] = [join(parent, "data"), join(parent, "backup.db")];
  return {
    backUp: () => runLine("node -e", { "/var/lib/gpu-dev": data, "/backup/gpu-dev.db": backup }),
    async restore() {
      for (const name of readdirSync(data)) if (name.startsWith("gpu-dev.db")) rmSync(join(data, name));
      copyFileSync(backup, join(data, "gpu-dev.db"));
    },
  };
}

async function postgres(parent: string): Promise<Database> {
  const { name, url, drop } = await createDatabase();
  onTestFinished(drop);
  const places = { "/backup/gpu-dev.dump": join(parent, "backup.dump"), "=gpudev": `=${url}` };
  return {
    url,
    backUp: () => runLine("pg_dump", places),
    async restore() {
      await asSuperuser(`drop database ${name} with (force)`);
      await asSuperuser(`create database ${name}`);
      runLine("pg_restore", places);
    },
  };
}

test.each(["sqlite", "postgres"] as const)(
  "what was there at the backup is there after a restore, on %s, and pods go on",
  async (engine) => {
    const parent = mkdtempSync(join(tmpdir(), "gd-backup-"));
    const database = engine === "sqlite" ? sqlite(parent) : await postgres(parent);
    const start = () =>
      startOwnServer(parent, database.url === undefined ? {} : { databaseUrl: database.url });
    const first = await start();
    await first.api.createKey({ body: { public_key: newKeyPair().publicKey } });
    const body = { gpu_type: "h100", duration_s: 3600 } as const;
    const { id } = await first.api.createReservation({ body: { ...body, name: "before" } });
    await expect
      .poll(async () => (await first.api.getReservation({ params: { id } })).state, GUARD)
      .toBe("active");
    const { started_at, ends_at } = await first.api.getReservation({ params: { id } });
    database.backUp();
    const later = await first.api.createReservation({ body: { ...body, name: "after" } });
    await first.server.close();
    await database.restore();

    const second = await start();
    expect(await second.api.getReservation({ params: { id } })).toMatchObject({
      state: "active",
      name: "before",
      started_at,
      ends_at,
    });
    await expect(second.api.getReservation({ params: { id: later.id } })).rejects.toMatchObject({
      problem: { code: "not_found" },
    });
    expect((await second.api.listKeys({ query: {} })).items).toHaveLength(1);
    await second.api.cancelReservation({ params: { id } });
    await expect
      .poll(async () => (await second.api.getReservation({ params: { id } })).state, GUARD)
      .toBe("cancelled");
    await second.server.close();
    expect(processesNaming(parent)).toEqual([]);
    rmSync(parent, { recursive: true });
  },
);
