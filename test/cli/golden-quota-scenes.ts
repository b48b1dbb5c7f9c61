/** What the golden files show of teams and quotas. */
import type { OwnLimit, Quota, Team } from "../../src/api/quotas.ts";
import { type Handlers, page } from "./helpers/fake-server.ts";

const vision: Team = {
  id: "teambcdefghijklmnopq",
  name: "vision",
  members: ["ada", "bob"],
  created_at: "2025-12-31T12:00:00.000Z",
};
const none = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };
const everybody: Quota = { ...none, kind: "default", name: null, gpus: 8, gpu_seconds: 720_000 };
const ada: Quota = { ...none, kind: "user", name: "ada", gpu_seconds: 1_801_800 };
const shared: Quota = {
  kind: "team",
  name: "vision",
  gpus: 32,
  gpu_seconds: null,
  max_duration_s: 172_800,
  gpu_types: ["h100", "a100"],
};
const limit = (given: Partial<OwnLimit>): OwnLimit => ({
  whose: "user ada",
  limit: "gpus",
  most: null,
  used: null,
  room_at: null,
  gpu_types: null,
  ...given,
});
const getMe = () => ({ id: "u", name: "ada", role: "user" as const });

export const quotaScenes = {
  whoami: {
    lines: ["whoami", "whoami --quota"],
    handlers: {
      getMe,
      listOwnQuotas: () =>
        page(
          limit({ most: 8, used: 8, room_at: "2026-01-01T14:30:00.000Z" }),
          limit({ limit: "gpu_seconds", most: 1_801_800, used: 1_234_567 }),
          limit({ whose: "team vision", limit: "max_duration_s", most: 172_800 }),
          limit({ whose: "team vision", limit: "gpu_types", gpu_types: ["h100", "a100"] }),
        ),
    },
  },
  "admin teams": {
    lines: ["admin teams", "admin teams add vision bob"],
    handlers: {
      listTeams: () => page(vision, { ...vision, name: "audio", members: [] }),
      addMember: () => vision,
    },
  },
  "admin quotas": {
    lines: ["admin quotas", "admin quotas set --user ada --gpu-hours 500.5"],
    handlers: { listQuotas: () => page(everybody, ada, shared), setQuota: () => ada },
  },
} satisfies Record<string, { lines: string[]; handlers: Handlers }>;
