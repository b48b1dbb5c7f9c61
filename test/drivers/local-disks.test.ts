import { describe } from "vitest";
import { disksContract } from "./disks-contract.ts";
import { LocalDiskRig } from "./disks-rig.ts";

disksContract("local disks, directories", () => LocalDiskRig.make("processes"));

// Only root can mount images; CI runs as root, so that nothing stays unproved.
describe.skipIf(process.getuid?.() !== 0)("needs root", () => {
  disksContract("local disks, images", () => LocalDiskRig.make("namespaces"));
});
