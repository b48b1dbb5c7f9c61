/** That a configuration that was read again is in the audit trail once the database is there. */
import { expect, test } from "vitest";
import { Reloads } from "../../src/core/audit/reload.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld } from "./world.ts";

const [engine] = engines;
if (!engine) throw new Error("there is no engine");
const fresh = freshDatabases(engine.create);
const GUARD = { timeout: 60_000 };

/** A world whose writes fail while they are told to. */
async function open(retryMs: number) {
  const { core, rows } = await makeWorld(await fresh());
  const told = { fails: true, tries: 0 };
  const write: typeof core.store.write = (...given) => {
    told.tries++;
    return told.fails ? Promise.reject(new Error("the database is away")) : core.store.write(...given);
  };
  const reloads = new Reloads({ ...core, store: { ...core.store, write } }, retryMs);
  const keys = async () =>
    (await rows("audit"))
      .filter(({ action }) => action === "config.reload")
      .map(({ detail }) => JSON.parse(String(detail)).changed);
  const note = (key: string) => reloads.note("server.yaml", { server: "s", changed: [key], restart: [] });
  return { told, reloads, keys, note };
}

test("O-03 reloads that the database does not take are tried until it does, in their order", async () => {
  const { told, reloads, keys, note } = await open(1);
  note("limits");
  note("webhooks");
  await expect.poll(() => told.tries, GUARD).toBeGreaterThan(3);
  expect(await keys()).toEqual([]);
  told.fails = false;
  await expect.poll(keys, GUARD).toEqual([["limits"], ["webhooks"]]);
  await reloads.close();
});

test("O-03 a server that stops tries once more, and does not wait longer", async () => {
  const { told, reloads, keys, note } = await open(3_600_000);
  note("limits");
  await expect.poll(() => told.tries, GUARD).toBe(1);
  told.fails = false;
  await reloads.close();
  expect(await keys()).toEqual([["limits"]]);
  told.fails = true;
  note("webhooks");
  await reloads.close();
  expect(await keys()).toEqual([["limits"]]);
});
