import { describe } from "vitest";
import { driverContract } from "./contract.ts";
import { LocalRig } from "./local-rig.ts";

// The strictest that a server may be started with: what a pod's user has to read must be readable all the same.
process.umask(0o077);

driverContract("local driver, processes", () => LocalRig.make("processes"));

// Only root can make namespaces; CI runs as root, so that nothing stays unproved.
describe.skipIf(process.getuid?.() !== 0)("needs root", () => {
  driverContract("local driver, namespaces", () => LocalRig.make("namespaces"));
});
