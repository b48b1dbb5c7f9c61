#!/usr/bin/env node
// In words that older versions of Node understand, so that they can say what is wrong.
const found = process.versions.node.split(".").map(Number);
if (found[0] < 24 || (found[0] === 24 && found[1] < 15)) {
  process.stderr.write(
    `gpu-dev needs Node 24.15 or newer; this is ${process.versions.node} (${process.execPath})\n`,
  );
  process.exitCode = 1;
} else {
  import("../dist/main.js").then(
    (cli) => cli.main(process.argv.slice(2)),
    (error) => {
      if (error.code !== "ERR_MODULE_NOT_FOUND") throw error;
      process.stderr.write("gpu-dev is not built in this clone yet; run: npm run setup\n");
      process.exitCode = 1;
    },
  );
}
