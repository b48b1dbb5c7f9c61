/** What the golden files show: for every command the lines that are typed, and the server that answers them. */

import type { Diagnostics } from "../../src/api/diagnostics.ts";
import type { Node, NodeLosses } from "../../src/api/inventory.ts";
import type { PodUsage } from "../../src/api/pod-usage.ts";
import type { CommandPath } from "../../src/cli/catalogue.ts";
import { accountScenes } from "./golden-account-scenes.ts";
import { diskScenes } from "./golden-disk-scenes.ts";
import { imageScenes } from "./golden-image-scenes.ts";
import { quotaScenes } from "./golden-quota-scenes.ts";
import { gpuType, type Handlers, page, queued, reservation } from "./helpers/fake-server.ts";

interface Scene {
  /** Typed after `gpu-dev`, each in three forms. */
  readonly lines: readonly string[];
  readonly handlers?: Handlers;
}

/** Where a command's forms are shown, when not here. */
interface Elsewhere {
  readonly because: string;
}

const train = reservation({
  id: "trainbcdefghijklmnop",
  name: "train-llama-8b",
  gpu_count: 8,
  gpus: [0, 1, 2, 3, 4, 5, 6, 7],
  collaborators: [
    { kind: "user", name: "bob", keys: null },
    { kind: "github", name: "octocat", keys: 2 },
  ],
});
const waiting = queued({
  id: "waitbcdefghijklmnopq",
  name: "eval",
  reason: "waits for 8 h100; 2 reservations with 16 GPUs are ahead of it",
  latest_start_at: "2026-01-01T14:10:00.000Z",
  estimated_start_at: "2026-01-01T14:00:00.000Z",
});
const shared = reservation({
  id: "sharedcdefghijklmnop",
  name: null,
  owner: "carol",
  access: "collaborator",
  simulated: true,
});
const over = reservation({
  id: "failedcdefghijklmnop",
  name: "broken",
  state: "failed",
  reason: "its memory ran out",
  ended_at: "2026-01-01T11:50:00.000Z",
  ending_at: "2026-01-01T11:49:00.000Z",
});
const mine = [waiting, train, shared, over];

const deployment = { id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" };
const availability = page(
  {
    gpu_type: "h100",
    unit: "gpu" as const,
    total: 16,
    free: 0,
    used: 12,
    unavailable: 4,
    closed_nodes: [
      {
        name: "gpu-host-3",
        why: "the Docker Engine cannot be asked: no answer in time",
        since: "2026-01-01T11:48:00.000Z",
      },
    ],
    queued: 3,
    simulated: false,
    node_labels: { zone: ["a", "b"] },
    isolation: "namespaces",
    max_duration_s: 172_800,
    latest_start_at: "2026-01-01T14:10:00.000Z",
  },
  {
    gpu_type: "cpu",
    unit: "place" as const,
    total: 8,
    free: 6,
    used: 2,
    unavailable: 0,
    closed_nodes: [],
    queued: 0,
    simulated: false,
    node_labels: {},
    isolation: "namespaces",
    max_duration_s: 86_400,
    latest_start_at: "2026-01-01T12:00:00.000Z",
  },
);
const nodes: [Node, Node, Node] = [
  {
    name: "gpu-host-1",
    labels: { nvlink: "true", zone: "a" },
    healthy: true,
    fault: null,
    unhealthy_since: null,
    cordoned_at: null,
    gpu_types: [{ name: "h100", places: 8, simulated: false }],
    reservations: 2,
  },
  {
    name: "gpu-host-2",
    labels: { zone: "b" },
    healthy: true,
    fault: null,
    unhealthy_since: null,
    cordoned_at: "2026-01-01T09:00:00.000Z",
    gpu_types: [
      { name: "h100", places: 4, simulated: false },
      { name: "h100-1g", places: 28, simulated: true },
    ],
    reservations: 1,
  },
  {
    name: "gpu-host-3",
    labels: {},
    healthy: false,
    fault: "the Docker Engine cannot be asked: no answer in time",
    unhealthy_since: "2026-01-01T11:48:00.000Z",
    cordoned_at: null,
    gpu_types: [],
    reservations: 0,
  },
];
const losses: NodeLosses = {
  node: "gpu-host-3",
  nodes: ["gpu-host-3"],
  configured: true,
  reservations: [
    { id: train.id, name: train.name, owner: "ada", state: "active", becomes: "failed" },
    { id: waiting.id, name: null, owner: "bob", state: "preparing", becomes: "queued" },
  ],
  disks: [
    {
      id: "diskbcdefghijklmnopq",
      name: "home",
      owner: "ada",
      size_bytes: 100e9,
      used_bytes: 3_200_000_000,
      last_used_at: "2026-01-01T10:00:00.000Z",
      snapshots: 3,
      becomes: "lost",
    },
  ],
  operations: 1,
};
const event = (
  version: number,
  at: string,
  type: string,
  state: "queued" | "preparing",
  detail: string | null,
) => ({
  version,
  at,
  type,
  state,
  detail,
});

const usage: PodUsage = {
  id: train.id,
  name: train.name,
  at: "2026-01-01T12:00:00.000Z",
  nodes: [
    {
      rank: 0,
      node: "gpu-host-1",
      error: null,
      cpu: { used_millicpus: 2410, of_millicpus: 24000 },
      memory: { used_bytes: 187_000_000_000, of_bytes: 200_000_000_000 },
      gpus: [
        { index: 0, busy_percent: 97, used_bytes: 76_000_000_000, of_bytes: 80_000_000_000 },
        { index: 1, busy_percent: 0, used_bytes: 4_000_000, of_bytes: 80_000_000_000 },
        { index: 2, busy_percent: null, used_bytes: null, of_bytes: null },
      ],
      network: null,
      home: { used_bytes: 81_300_000_000, of_bytes: 500_000_000_000 },
      unknown: [
        { part: "network", reason: "the pod's network is the machine's own, which is not counted by pod" },
      ],
    },
  ],
};
const diagnostics: Diagnostics = {
  id: train.id,
  name: train.name,
  owner: "ada",
  state: "preparing",
  state_since: "2026-01-01T11:58:00.000Z",
  state_age_s: 120,
  deadline_at: "2026-01-01T12:03:00.000Z",
  reason: null,
  latest_start_at: null,
  node: "gpu-host-1",
  last_error: "ssh: refused (connect ECONNREFUSED)",
  ssh: {
    attempts: 12,
    last: { at: "2026-01-01T11:59:50.000Z", ok: false, cause: "refused", detail: "connect ECONNREFUSED" },
  },
  pod: { name: `${train.id}-1`, attempt: 1, state: "starting", detail: "pulls its image" },
  next: { step: "wait", detail: "looks at the pod again", at: "2026-01-01T12:00:05.000Z" },
  in_hand_until: null,
  events: [event(2, "2026-01-01T11:58:00.000Z", "preparing", "preparing", "placed on gpu-host-1")],
};

const common: Handlers = {
  listReservations: ({ query: { state = "live", name, id_prefix } }) =>
    page(
      ...mine
        .filter((r) => (state === "live" ? r.ended_at === null : state === "all" || state === r.state))
        .filter((r) => name === undefined || r.name === name)
        .filter((r) => id_prefix === undefined || r.id.startsWith(id_prefix)),
    ),
  getReservation: ({ params }) => mine.find((r) => r.id === params.id) ?? train,
  getDeployment: () => deployment,
  listAvailability: () => availability,
};

export const scenes: Readonly<Record<CommandPath, Scene | Elsewhere>> = {
  reserve: {
    lines: [
      "reserve --gpu-type h100 --gpus 8 --time 1h --name eval --no-wait",
      "reserve --gpu-type h100 --gpus 8 --time 1h --dry-run",
    ],
    handlers: {
      createReservation: () => waiting,
      planReservation: () => ({
        gpu_type: "h100",
        gpu_count: 8,
        duration_s: 3600,
        simulated: false,
        latest_start_at: "2026-01-01T14:10:00.000Z",
        latest_end_at: "2026-01-01T15:15:00.000Z",
        nodes: ["gpu-host-1"],
        price: 20_000_000,
        queue_position: 3,
        reason: "waits for 8 h100; 2 are ahead",
      }),
    },
  },
  list: { lines: ["list", "list --state preparing"] },
  show: {
    lines: ["show eval", "show train-llama-8b", "show train-llama-8b --why", "show train-llama-8b --usage"],
    handlers: {
      getUsage: () => usage,
      getDiagnostics: () => diagnostics,
      listEvents: () =>
        page(
          event(1, "2026-01-01T11:00:00.000Z", "created", "queued", "starts by 14:10 at the latest"),
          event(2, "2026-01-01T11:29:59.000Z", "placed", "preparing", null),
        ),
      listAdvice: () =>
        page({
          change: "gpu_count" as const,
          gpu_type: "h100",
          gpu_count: 4,
          simulated: false,
          duration_s: 3600,
          latest_start_at: "2026-01-01T12:20:00.000Z",
        }),
    },
  },
  connect: { lines: ["connect train-llama-8b -- nvidia-smi -L"] },
  cp: { because: "scp prints for itself; test/cli/cp.test.ts has its forms" },
  forward: { because: "it prints ports of this machine; test/cli/forward.test.ts has its forms" },
  logs: {
    lines: ["logs train-llama-8b"],
    handlers: {
      listLogs: () => ({
        items: [
          { at: "2026-01-01T11:29:59.000Z", source: "life" as const, text: "placed: on gpu-host-1" },
          { at: "2026-01-01T11:30:00.000Z", source: "life" as const, text: "active: ssh works" },
          { at: "2026-01-01T11:31:07.000Z", source: "pod" as const, text: "Disconnected from user dev" },
        ],
        position: "3.1.1",
        ended: false,
        missing: null,
      }),
    },
  },
  edit: { lines: ["edit train-llama-8b --extend 30m"], handlers: { patchReservation: () => train } },
  cancel: {
    lines: ["cancel train-llama-8b --no-wait --yes", "cancel train-llama-8b eval --no-wait --yes"],
    handlers: {
      cancelReservation: ({ params }) => ({
        ...(params.id === train.id ? train : waiting),
        state: "ending" as const,
      }),
    },
  },
  avail: { lines: ["avail"] },
  status: {
    lines: ["status"],
    handlers: { getReady: () => ({ status: "ok" as const, checks: { database: "ok" } }) },
  },
  ...diskScenes,
  ...imageScenes,
  ...accountScenes,
  ...imageScenes,
  server: { because: "it prints where it listens; test/e2e starts it in both forms" },
  ...quotaScenes,
  "keys list": {
    lines: ["keys list"],
    handlers: {
      listKeys: () =>
        page({
          id: "keybcdefghijklmnopqr",
          type: "ssh-ed25519",
          fingerprint: "SHA256:x",
          comment: "gpu-dev",
          created_at: train.created_at,
        }),
    },
  },
  "keys add": { because: "it reads a file; test/cli/keys.test.ts has its form" },
  "keys remove": { because: "it asks; test/cli/keys.test.ts has its forms" },
  doctor: { because: "it looks at this machine; test/cli/doctor.test.ts has its forms" },
  login: { because: "it needs a token; test/cli/login.test.ts has its forms" },
  "registry login": { because: "it reads a password; test/cli/registry.test.ts has its forms" },
  logout: { because: "it needs a login before it; test/cli/login.test.ts has its forms" },
  "context list": { lines: ["context list"] },
  "context use": { because: "it needs a login before it; test/cli/login.test.ts has its forms" },
  "config show": { lines: ["config show", "config show --origin"] },
  "config get": { lines: ["config get time"] },
  "config set": { lines: ["config set time 4h"] },
  "config unset": { lines: ["config unset time"] },
  "config path": { lines: ["config path"] },
  "config edit": { because: "it opens an editor; test/cli/config.test.ts has its form" },
  "ssh-config install": { lines: ["ssh-config install --yes"] },
  "ssh-config remove": { lines: ["ssh-config remove"] },
  "ssh-config show": { lines: ["ssh-config show"] },
  completion: { because: "it prints a file of completions/, which test/cli/generated.test.ts compares" },
  "admin types": {
    lines: ["admin types"],
    handlers: {
      listGpuTypes: () =>
        page(
          gpuType({
            description: "NVIDIA H100 80 GB",
            gpu_memory_bytes: 80 * 2 ** 30,
            cpus: 24,
            memory_bytes: 200 * 2 ** 30,
            price_per_hour: 2_500_000,
          }),
          gpuType({ name: "h100-1g", slice_of: "h100", slices_per_gpu: 7, simulated: true }),
          gpuType({ name: "cpu", gpus_per_slot: 0, max_gpus_per_node: 0, max_duration_s: 86_400 }),
        ),
    },
  },
  "admin check": {
    lines: ["admin check"],
    handlers: {
      checkDeployment: () => ({
        checked_at: "2026-01-01T12:00:00.000Z",
        status: "differences" as const,
        parts: [
          { part: "allocations" as const, status: "ok" as const, error: null, differences: [] },
          {
            part: "pods" as const,
            status: "differences" as const,
            error: null,
            differences: [{ kind: "orphan_pod", id: `${over.id}-1`, detail: "no live reservation names it" }],
          },
          {
            part: "disks" as const,
            status: "unknown" as const,
            error: "list: no answer within 8 s",
            differences: [],
          },
        ],
      }),
    },
  },
  "admin extend": {
    lines: [`admin extend ${train.id} --by 12h --reason deadline`],
    handlers: {
      liftReservation: () => ({
        id: train.id,
        name: train.name,
        owner: "ada",
        duration_s: 190_800,
        ends_at: "2026-01-03T00:30:00.000Z",
      }),
    },
  },
  "admin nodes": {
    lines: [
      "admin nodes",
      "admin nodes cordon gpu-host-2",
      "admin nodes drain gpu-host-2",
      "admin nodes forget gpu-host-3 --dry-run",
      "admin nodes forget gpu-host-3 --yes",
    ],
    handlers: {
      listNodeHolders: () =>
        page({
          id: train.id,
          name: train.name,
          owner: "ada",
          state: "active" as const,
          places: 4,
          gone_by: "2026-01-01T12:31:00.000Z",
        }),
      listNodes: () => page(...nodes),
      cordonNode: () => nodes[1],
      getNodeLosses: () => losses,
      forgetNode: () => losses,
    },
  },
};

/** All that a scene's server answers. */
export const handlersOf = (scene: Scene): Handlers => ({ ...common, ...scene.handlers });
