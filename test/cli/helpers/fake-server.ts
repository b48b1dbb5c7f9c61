/** A server in memory: each route is a function of the test; requests and replies are checked against the contract. */
import type * as z from "zod";
import type { Fetch } from "../../../src/api/client.ts";
import { contract } from "../../../src/api/contract.ts";
import type { Disk } from "../../../src/api/disks.ts";
import { Problem } from "../../../src/api/errors.ts";
import type { Availability, GpuType } from "../../../src/api/inventory.ts";
import type { Reservation } from "../../../src/api/reservations.ts";
import { type Route, type RouteName, routes } from "../../../src/api/routes.ts";

interface Request {
  readonly route: RouteName;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
}

/** A reply of the contract, a Problem, or anything else as raw text with a status. */
type Answer = object | { readonly raw: string; readonly status: number; readonly type?: string };
export type Handlers = Partial<Record<RouteName, (request: Request) => Answer>>;

export interface FakeServer {
  readonly fetch: Fetch;
  /** What was asked, in order. */
  readonly requests: Request[];
  handlers: Handlers;
  /** The `Date` of its answers. */
  date: string | null;
  /** The version that it says it has. */
  version: string | null;
}

/** A server that answers by `handlers`; a request without a handler fails the test. Nobody has disks, and all have tokens, unless a handler says so. */
export function fakeServer(handlers: Handlers): FakeServer {
  const server: FakeServer = {
    requests: [],
    handlers: { listDisks: () => page(), listLogins: () => page(byToken), ...handlers },
    date: null,
    version: null,
    fetch: async (url, init) => {
      const request = read(url, init);
      server.requests.push(request);
      const handler = server.handlers[request.route];
      if (!handler) throw new Error(`unexpected request: ${request.route}`);
      const { status, text, headers } = reply(request, handler(request));
      const others: Record<string, string | null> = {
        date: server.date,
        "gpu-dev-server": server.version,
        "x-request-id": "req-1",
      };
      const get = (name: string): string | null => others[name] ?? headers.get(name);
      return { status, text, headers: { get } };
    },
  };
  return server;
}

const byToken = { with: "token" as const, title: "a token that you have" };

function read(url: string, init: Parameters<Fetch>[1]): Request {
  const { pathname, searchParams } = new URL(url);
  for (const [route, { method, path }] of Object.entries(routes) as [RouteName, Route][]) {
    const match = new RegExp(`^${path.replace(/\{(\w+)\}/g, "(?<$1>[^/]+)")}$`).exec(pathname);
    if (!match || method !== init.method) continue;
    const query = Object.fromEntries(searchParams);
    const body: unknown = typeof init.body === "string" ? JSON.parse(init.body) : init.body;
    const shape = contract[route] as { readonly body?: z.ZodType; readonly query?: z.ZodType };
    shape.query?.parse(query);
    shape.body?.parse(body);
    return { route, params: { ...match.groups }, query, body, headers: init.headers };
  }
  throw new Error(`not in the contract: ${init.method} ${pathname}`);
}

function reply(request: Request, answer: Answer): Awaited<ReturnType<Fetch>> {
  if (answer instanceof Problem)
    return response(answer.status, JSON.stringify(answer.document("req-1")), "application/problem+json");
  if ("raw" in answer) return response(answer.status, answer.raw, answer.type ?? "text/html");
  const body = contract[request.route].reply.parse(answer);
  return response(routes[request.route].status, JSON.stringify(body), "application/json");
}

const response = (status: number, text: string, type: string): Awaited<ReturnType<Fetch>> => ({
  status,
  headers: { get: (name) => (name === "content-type" ? type : null) },
  text: async () => text,
});

export const page = <T>(...items: T[]): { items: T[]; next_cursor: null } => ({ items, next_cursor: null });

/** What a server without anything answers to `reserve`. */
export const reserving: Handlers = {
  createReservation: () => queued(),
  listReservations: () => page(),
  getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
};

/** A disk called "home", which is ready, with what the test says differently. */
export const disk = (given: Partial<Disk> = {}): Disk => ({
  id: "diskbcdefghijklmnopq",
  name: "home",
  node: null,
  state: "ready",
  lost_at: null,
  size_bytes: 100e9,
  used_bytes: 3_200_000_000,
  used_at: "2026-01-01T10:00:00.000Z",
  limits_enforced: true,
  limits: "each disk is a file system of its size",
  snapshot_policy: "on_end",
  snapshot_every_s: null,
  held_by: null,
  held_until: null,
  operation_id: null,
  last_used_at: "2026-01-01T10:00:00.000Z",
  last_snapshot: {
    id: "snapbcdefghijklmnopq",
    taken_at: "2026-01-01T10:00:00.000Z",
    in_use: false,
    files_changing: null,
  },
  created_at: "2025-12-01T09:00:00.000Z",
  deleted_at: null,
  purge_at: null,
  version: 1,
  ...given,
});

/** An active reservation called "hello", with what the test says differently. */
export function reservation(given: Partial<Reservation> = {}): Reservation {
  const id = given.id ?? "abcdefghijklmnopqrst";
  return {
    id,
    name: "hello",
    owner: "ada",
    access: "owner",
    collaborators: [],
    webhook: null,
    state: "active",
    reason: null,
    gpu_type: "h100",
    gpu_count: 2,
    simulated: false,
    duration_s: 3600,
    disk: null,
    disk_id: null,
    image: null,
    node_labels: {},
    build_id: null,
    entrypoint: null,
    created_at: "2026-01-01T11:00:00.000Z",
    placed_at: "2026-01-01T11:29:59.000Z",
    launched_at: "2026-01-01T11:29:59.200Z",
    proved_at: "2026-01-01T11:29:59.900Z",
    started_at: "2026-01-01T11:30:00.000Z",
    ends_at: "2026-01-01T12:30:00.000Z",
    ending_at: null,
    ended_at: null,
    priority: "normal",
    start_at: null,
    queue_position: null,
    latest_start_at: null,
    estimated_start_at: null,
    node_count: 1,
    nodes: [{ rank: 0, node: "node-1", gpus: [0, 1], ssh_host: `${id}.gpu-dev.internal` }],
    node: "node-1",
    gpus: [0, 1],
    isolation: "namespaces",
    ssh_host: `${id}.gpu-dev.internal`,
    ssh_user: "dev",
    host_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9iEC9PgMJ34r5mIhiddenhiddenhiddenhidden0000",
    attempt: 1,
    ssh_attempts: 1,
    last_error: null,
    idle_since: null,
    idle_ends_at: null,
    version: 3,
    ...given,
  };
}

export const queued = (given: Partial<Reservation> = {}): Reservation =>
  reservation({
    state: "queued",
    placed_at: null,
    launched_at: null,
    proved_at: null,
    started_at: null,
    ends_at: null,
    queue_position: 3,
    node: null,
    gpus: [],
    isolation: null,
    ssh_user: null,
    host_key: null,
    attempt: 0,
    ...given,
  });

export function gpuType(given: Partial<GpuType> = {}): GpuType {
  return {
    name: "h100",
    gpus_per_slot: 1,
    max_gpus_per_node: 8,
    nodes: 4,
    full_nodes: 4,
    max_duration_s: 172_800,
    simulated: false,
    description: null,
    gpu_memory_bytes: null,
    cpus: null,
    memory_bytes: null,
    price_per_hour: null,
    slice_of: null,
    slices_per_gpu: null,
    ...given,
  };
}

/** One free h100, with what the test says differently. */
export const availability = (given: Partial<Availability> = {}): Availability => ({
  gpu_type: "h100",
  unit: "gpu",
  total: 1,
  free: 1,
  used: 0,
  unavailable: 0,
  closed_nodes: [],
  node_labels: {},
  queued: 0,
  simulated: false,
  isolation: "namespaces",
  max_duration_s: 60,
  latest_start_at: null,
  ...given,
});
