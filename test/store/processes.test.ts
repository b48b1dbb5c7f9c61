/** Several processes on one SQLite file: the server's roles apart, or a server beside the one that it follows. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStore } from "../../src/store/db.ts";
import { metaOr } from "../../src/store/meta.ts";
import { sqlite } from "../helpers/engines.ts";

const SCRIPT = join(import.meta.dirname, "..", "helpers", "writing-process.ts");

async function writer(url: string, name: string, count: number): Promise<string> {
  const child = spawn(process.execPath, [SCRIPT, url, name, String(count)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
  });
  await once(child, "close");
  return out.trim();
}

test("B-02 B-03 processes that make, read and write one SQLite file at once never end in 'database is locked'", async () => {
  const { url, drop } = await sqlite.create();
  onTestFinished(drop);
  const names = ["a", "b", "c", "d"];
  expect(await Promise.all(names.map((name) => writer(url, name, 150)))).toEqual(names.map(() => "[]"));
  const store = await openStore({ url });
  const rows = await store.read((db) => db.selectFrom("meta").select("key").execute());
  expect(rows).toHaveLength(names.length * 150);
  await store.close();
});

test("B-02 a write waits for that of another process without standing still", async () => {
  const { url, drop } = await sqlite.create();
  const [one, two] = [await openStore({ url }), await openStore({ url })];
  onTestFinished(async () => {
    await Promise.all([one.close(), two.close()]);
    await drop();
  });
  const [entered, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const first = one.write(async (tx) => {
    await metaOr(tx, "first", "x");
    entered.resolve();
    await go.promise;
  });
  await entered.promise;
  const second = two.write((tx) => metaOr(tx, "second", "x"));
  // Twenty turns of a timer pass while it waits: what else this process does goes on.
  for (let turn = 0; turn < 20; turn++) await new Promise((next) => setTimeout(next, 1));
  expect(await two.read((db) => db.selectFrom("meta").select("key").execute())).toEqual([]);
  go.resolve();
  await first;
  expect(await second).toBe("x");
});
