#!/usr/bin/env node
// Plain old syntax: an older Node must get as far as the line that refuses it.
var found = process.versions.node.split(".").map(Number);
if (found[0] > 24 || (found[0] === 24 && found[1] >= 15)) {
  import("../dist/ssh-proxy.js").then((proxy) => proxy.main(process.argv.slice(2)));
} else {
  console.error(
    "gpu-dev: Node " +
      process.versions.node +
      " is too old; install Node 24.15 or newer and run `gpu-dev ssh-config` with it",
  );
  process.exitCode = 255;
}
