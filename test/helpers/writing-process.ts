/** Opens a SQLite file and reads and writes beside others: `writing-process.ts URL NAME COUNT`. Prints the failures. */
import { openStore } from "../../src/store/db.ts";
import { metaOr } from "../../src/store/meta.ts";

const [url = "", name = "", count = "0"] = process.argv.slice(2);
const store = await openStore({ url });
const work = Array.from({ length: Number(count) }, async (_, i) => {
  await store.write((tx) => metaOr(tx, `${name} ${i}`, "x"));
  await store.read((db) => db.selectFrom("meta").selectAll().where("key", "=", `${name} ${i}`).execute());
});
const failures = (await Promise.allSettled(work)).filter((one) => one.status === "rejected");
await store.close();
console.log(JSON.stringify(failures.map((failure) => String(failure.reason))));
