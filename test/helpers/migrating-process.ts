/** Makes a table, and then another one for very long: `migrating-process.ts URL`. Prints a line when it is at the second. */
import { openEngine } from "../../src/store/engine.ts";
import { migrate } from "../../src/store/migrate.ts";
import { slowStatement, table } from "./migrations.ts";

const engine = openEngine(process.argv[2] ?? "");
await migrate(engine, [table(1)]);
await migrate(engine, [table(1), table(2, slowStatement(engine.name, 2000))], {
  begins: (name) => process.stdout.write(`${name}\n`),
  done: () => undefined,
  waits: () => undefined,
});
