/**
 * What each command of the command line prints with `--json`: the contract of docs/json.md, where a field is added but never
 * removed or retyped. The command line loads it for `--fields` alone: a short command has run before zod is there.
 */
import * as z from "zod";
import * as a from "./accounts.ts";
import * as u from "./audit.ts";
import { check } from "./check.ts";
import { diagnostics } from "./diagnostics.ts";
import * as d from "./disks.ts";
import { forecast, wayToStartSooner } from "./forecast.ts";
import * as i from "./identities.ts";
import * as g from "./inventory.ts";
import * as l from "./lift.ts";
import { logLine } from "./logs.ts";
import { podUsage } from "./pod-usage.ts";
import * as q from "./quotas.ts";
import * as rl from "./registries.ts";
import * as r from "./reservations.ts";
import * as s from "./schemas.ts";

/** What a failure prints: the server's problem, or one of the same shape that the command line noticed by itself. */
export const failure = s.problem.extend({
  title: z.string().optional().describe("The code in words; of what the server says"),
  status: z.int().optional().describe("The HTTP status; of what the server says"),
});

const items = <T extends z.ZodType>(item: T) => z.object({ items: z.array(item) });

const phase = z.object({
  phase: z.enum(["queued", "preparing", "active", "ending"]),
  started_at: s.instant,
  ended_at: s.instant.nullable().describe("Null while it goes on"),
  duration_ms: z.int().describe("Up to now while it goes on"),
  steps: z
    .array(z.object({ step: z.enum(["launch", "ssh"]), duration_ms: z.int() }))
    .describe("Parts of it that have ended, in order"),
});

const history = r.reservation.extend({
  start_sooner: z
    .array(wayToStartSooner)
    .describe("What would start it sooner, the soonest first; of a queued one"),
  phases: z.array(phase).describe("What took how long, in order"),
  events: z.array(r.event).describe("What happened, oldest first"),
});

const cancelled = z.union([r.reservation, items(z.union([r.reservation, z.object({ error: failure })]))]);

const setting = z.object({
  name: z.string(),
  value: z.string().nullable().describe("Tokens are never shown whole"),
  origin: z.string().describe("The flag, variable or file that it comes from"),
  used: z.boolean().describe("False for one that something before it overrides"),
});

const storedServer = z.object({
  context: z.string().describe("The name of the server here"),
  url: z.string(),
});

const finding = z.object({
  check: z.string().describe("What was looked at"),
  status: z.enum(["ok", "warning", "failure", "skipped"]),
  detail: z.string(),
  fix: z.string().optional().describe("What to do about it"),
});

const forward = z.object({
  address: z.string(),
  port: z.int().describe("On this machine"),
  pod_port: z.int(),
});

const forwarding = { id: z.string(), name: z.string().nullable(), forwards: z.array(forward) };

const inBackground = z.object({
  pid: z.int(),
  ...forwarding,
  node: z.int().describe("Which of several nodes of the reservation"),
  started_at: s.instant,
});

const includeLine = {
  file: z.string().describe("The file of another program that has it"),
  line: z.string(),
};

/** The operation with --no-wait. */
const diskOrOperation = z.union([d.disk, d.diskOperation]);

/** By the words of the command. */
export const documents = {
  reserve: z.union([r.reservation, forecast]),
  list: items(r.reservation),
  show: z.union([history, diagnostics, podUsage]),
  connect: z.object({ id: z.string(), exit_code: z.int(), stdout: z.string(), stderr: z.string() }),
  cp: z.object({ exit_code: z.int().describe("scp's"), stderr: z.string() }),
  forward: z.union([inBackground, z.object(forwarding), items(inBackground)]),
  logs: logLine,
  edit: r.reservation,
  cancel: cancelled,
  avail: g.availabilityPage,
  status: z.object({
    url: z.string(),
    health: z.union([s.health, s.problem]).describe("A problem when the server is not ready"),
    deployment: s.deployment,
    availability: z.array(g.availability),
  }),
  "disk create": diskOrOperation,
  "disk list": d.diskPage,
  "disk show": d.disk.extend({
    operations: z.array(d.diskOperation).describe("What was done with it, newest first"),
  }),
  "disk contents": d.contentsPage,
  "disk snapshot": d.diskOperation,
  "disk snapshots": d.snapshotPage,
  "disk restore": diskOrOperation,
  "disk clone": diskOrOperation,
  "disk wait": d.disk,
  "disk rename": d.disk,
  "disk resize": diskOrOperation,
  "disk edit": d.disk,
  "disk delete": d.disk,
  "disk undelete": d.disk,
  "disk unlock": d.disk,
  server: z.object({ url: z.string(), parts: z.string().describe("What it does"), pid: z.int() }),
  whoami: s.me.extend({
    url: z.string().describe("The server that says so"),
    context: z.string().describe("The name of that server here"),
    quotas: z.array(q.ownLimit).optional().describe("With --quota"),
  }),
  login: s.me.extend({
    url: z.string(),
    context: z.string().describe("The name of that server here"),
    expires_at: s.instant.nullable().describe("Until when you are logged in; null for a token that you had"),
  }),
  logout: storedServer,
  "context list": z.object({ items: z.array(storedServer.extend({ current: z.boolean() })) }),
  "context use": storedServer,
  "keys list": z.object({ items: z.array(s.key) }),
  "keys add": s.key,
  "keys remove": s.key,
  "registry list": rl.registryLogins,
  "registry login": rl.registryLogin,
  "registry logout": rl.registryLogin,
  "token list": a.tokenPage,
  "token create": a.issuedToken,
  "token rotate": a.issuedToken,
  "token revoke": a.revokedToken,
  "identity list": i.identityPage,
  "identity link": i.identity,
  "identity unlink": i.unlinkedIdentity,
  doctor: z.object({ ok: z.boolean().describe("Without a failure"), checks: z.array(finding) }),
  "config show": z.object({ settings: z.array(setting) }),
  "config get": setting.omit({ used: true }),
  "config set": z.object({ name: z.string(), value: z.string(), file: z.string() }),
  "config unset": z.object({ name: z.string(), file: z.string() }),
  "config path": z.object({ file: z.string() }),
  "config edit": z.object({ file: z.string() }),
  "ssh-config install": z.object({ ...includeLine, added: z.boolean().describe("False when it was there") }),
  "ssh-config remove": z.object({
    ...includeLine,
    removed: z.boolean().describe("False when it was not there"),
  }),
  "ssh-config show": z.object({ file: z.string(), text: z.string() }),
  completion: z.union([
    z.object({ shell: z.string(), script: z.string() }),
    z.object({ ...includeLine, changed: z.boolean().describe("False when there was nothing to do") }),
  ]),
  "admin users": z.union([a.userPage, a.user, a.createdUser]),
  "admin identities": z.union([i.identityPage, i.identity, i.unlinkedIdentity]),
  "admin tokens": z.union([a.tokenPage, a.revokedToken, a.issuedToken]),
  "admin audit": z.object({ items: z.array(u.auditEntry) }),
  "admin types": g.gpuTypePage,
  "admin check": check,
  "admin extend": l.liftedReservation,
  "admin teams": z.union([q.teamPage, q.team]),
  "admin quotas": z.union([q.quotaPage, q.quota]),
  "admin nodes": z.union([g.nodePage, g.node, g.nodeHolderPage, g.nodeLosses]),
} as const satisfies Record<string, z.ZodType>;
