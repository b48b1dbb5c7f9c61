/** What the server answers to the commands of registries, for the golden files. */
import type { RegistryLogin } from "../../src/api/registries.ts";
import type { Handlers } from "./helpers/fake-server.ts";

const ghcr: RegistryLogin = { host: "ghcr.io", username: "ann", created_at: "2025-12-30T12:00:00.000Z" };
const team: RegistryLogin = {
  host: "registry.example.org:5000",
  username: "ci",
  created_at: "2026-01-01T11:00:00.000Z",
};
const registries: Handlers = {
  listRegistries: () => ({ items: [ghcr, team] }),
  removeRegistry: () => ghcr,
};

export const imageScenes = {
  "registry list": { lines: ["registry list"], handlers: registries },
  "registry logout": { lines: ["registry logout ghcr.io"], handlers: registries },
} as const;
