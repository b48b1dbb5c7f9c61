/**
 * A server that only works on disks, to be killed: real disks, a driver in memory, its clock ahead.
 * `disk-worker-process.ts DATABASE_URL DATA_DIR ISOLATION AHEAD_MS`; it ends with its standard input.
 */
import { createCore } from "../../src/core/core.ts";
import { forgetLeases } from "../../src/core/deployment.ts";
import { createReconciler } from "../../src/core/reconcile.ts";
import { createLocalDisks } from "../../src/drivers/local-disks.ts";
import { openStore } from "../../src/store/db.ts";
import { createFakeDriver } from "./fake-driver.ts";

const [url = "", dataDir = "", isolation, ahead] = process.argv.slice(2);
const clock = { now: () => new Date(Date.now() + Number(ahead)) };
const store = await openStore({ url, clock });
const core = createCore({
  store,
  driver: createFakeDriver(),
  disks: await createLocalDisks({ dataDir, isolation: isolation === "namespaces" ? isolation : "processes" }),
  settings: { domain: "gpu.test" },
  probe: async () => ({ ok: true }),
  log: (level, fields, message) => console.error(level, message, JSON.stringify(fields, withMessages)),
});
// Whoever had one in hand was killed.
await forgetLeases(store);
createReconciler(core).start();
console.log("ready");
process.stdin.on("end", () => process.exit()).resume();

function withMessages(_key: string, value: unknown): unknown {
  return value instanceof Error ? value.message : value;
}
