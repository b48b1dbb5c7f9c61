/** Runs the ssh-proxy from its source, as bin/gpu-dev-ssh-proxy.js runs the bundle. */
import { main } from "../../src/tunnel/main.ts";

await main(process.argv.slice(2));
