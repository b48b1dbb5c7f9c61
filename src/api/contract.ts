/** Routes and schemas together: what the server validates with and what the OpenAPI document is made of. */
import type * as z from "zod";
import * as a from "./accounts.ts";
import * as u from "./audit.ts";
import * as b from "./builds.ts";
import { check } from "./check.ts";
import { diagnostics } from "./diagnostics.ts";
import * as d from "./disks.ts";
import { advicePage, forecast } from "./forecast.ts";
import * as i from "./identities.ts";
import * as g from "./inventory.ts";
import * as l from "./lift.ts";
import * as o from "./logins.ts";
import { logPage, logsQuery } from "./logs.ts";
import * as m from "./made.ts";
import { podUsage } from "./pod-usage.ts";
import * as q from "./quotas.ts";
import * as rl from "./registries.ts";
import * as r from "./reservations.ts";
import type { RouteName } from "./routes.ts";
import * as s from "./schemas.ts";

interface Shape {
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly reply: z.ZodType;
}

export const contract = {
  listReservations: { query: r.listReservationsQuery, reply: r.reservationPage },
  createReservation: { body: r.createReservation, reply: r.reservation },
  planReservation: { body: r.createReservation, reply: forecast },
  getReservation: { params: s.idParams, reply: r.reservation },
  patchReservation: { params: s.idParams, body: r.patchReservation, reply: r.reservation },
  liftReservation: { params: s.idParams, body: l.liftReservation, reply: l.liftedReservation },
  cancelReservation: { params: s.idParams, reply: r.reservation },
  listAdvice: { params: s.idParams, reply: advicePage },
  getDiagnostics: { params: s.idParams, reply: diagnostics },
  listEvents: { params: s.idParams, query: r.listEventsQuery, reply: r.eventPage },
  listLogs: { params: s.idParams, query: logsQuery, reply: logPage },
  getUsage: { params: s.idParams, reply: podUsage },
  listGpuTypes: { query: s.pageQuery, reply: g.gpuTypePage },
  listAvailability: { query: s.pageQuery, reply: g.availabilityPage },
  listNodes: { query: s.pageQuery, reply: g.nodePage },
  cordonNode: { params: g.nodeParams, reply: g.node },
  listNodeHolders: { params: g.nodeParams, query: s.pageQuery, reply: g.nodeHolderPage },
  uncordonNode: { params: g.nodeParams, reply: g.node },
  getNodeLosses: { params: g.nodeParams, reply: g.nodeLosses },
  forgetNode: { params: g.nodeParams, reply: g.nodeLosses },
  checkDeployment: { reply: check },
  listTeams: { query: s.pageQuery, reply: q.teamPage },
  createTeam: { body: q.createTeam, reply: q.team },
  deleteTeam: { params: q.teamParams, reply: q.team },
  addMember: { params: q.teamParams, body: q.addMember, reply: q.team },
  removeMember: { params: q.memberParams, reply: q.team },
  listQuotas: { query: s.pageQuery, reply: q.quotaPage },
  setQuota: { body: q.setQuota, reply: q.quota },
  listOwnQuotas: { query: s.pageQuery, reply: q.ownLimitPage },
  listDisks: { query: d.listDisksQuery, reply: d.diskPage },
  createDisk: { body: d.createDisk, reply: d.diskOperation },
  getDisk: { params: s.idParams, reply: d.disk },
  patchDisk: { params: s.idParams, body: d.patchDisk, reply: d.disk },
  deleteDisk: { params: s.idParams, reply: d.disk },
  undeleteDisk: { params: s.idParams, body: d.undeleteDisk, reply: d.disk },
  resizeDisk: { params: s.idParams, body: d.resizeDisk, reply: d.diskOperation },
  cloneDisk: { params: s.idParams, body: d.cloneDisk, reply: d.diskOperation },
  restoreDisk: { params: s.idParams, body: d.restoreDisk, reply: d.diskOperation },
  unlockDisk: { params: s.idParams, reply: d.disk },
  listSnapshots: { params: s.idParams, query: s.pageQuery, reply: d.snapshotPage },
  createSnapshot: { params: s.idParams, body: d.createSnapshot, reply: d.diskOperation },
  listContents: { params: s.idParams, query: d.contentsQuery, reply: d.contentsPage },
  listDiskOperations: { params: s.idParams, query: s.pageQuery, reply: d.diskOperationPage },
  getDiskOperation: { params: s.idParams, reply: d.diskOperation },
  listRegistries: { reply: rl.registryLogins },
  setRegistry: { body: rl.setRegistryLogin, reply: rl.registryLogin },
  removeRegistry: { params: rl.registryParams, reply: rl.registryLogin },
  createBuild: { body: b.createBuild, reply: b.build },
  getBuild: { params: s.idParams, reply: b.build },
  uploadContext: { params: s.idParams, query: b.partQuery, body: b.part, reply: b.build },
  listKeys: { query: s.pageQuery, reply: s.keyPage },
  createKey: { body: s.createKey, reply: s.key },
  deleteKey: { params: s.idParams, reply: s.key },
  listTokens: { query: a.listTokensQuery, reply: a.tokenPage },
  createToken: { body: a.createToken, reply: a.issuedToken },
  getToken: { params: s.idParams, reply: a.tokenDetails },
  revokeToken: { params: s.idParams, query: m.revokeTokenQuery, reply: a.revokedToken },
  rotateToken: { params: s.idParams, reply: a.issuedToken },
  listUserTokens: { params: s.idParams, query: a.listTokensQuery, reply: a.tokenPage },
  createUserToken: { params: s.idParams, body: a.createToken, reply: a.issuedToken },
  listIdentities: { reply: i.identityPage },
  linkIdentity: { body: o.finishLogin, reply: i.linkResult },
  unlinkIdentity: { params: s.idParams, query: m.unlinkQuery, reply: i.unlinkedIdentity },
  listUserIdentities: { params: s.idParams, reply: i.identityPage },
  linkUserIdentity: { params: s.idParams, body: i.linkUserIdentity, reply: i.identity },
  unlinkUserIdentity: { params: i.userIdentityParams, query: m.unlinkQuery, reply: i.unlinkedIdentity },
  listAudit: { query: u.listAuditQuery, reply: u.auditPage },
  listUsers: { query: a.listUsersQuery, reply: a.userPage },
  createUser: { body: a.createUser, reply: a.createdUser },
  getUser: { params: s.idParams, reply: a.user },
  patchUser: { params: s.idParams, body: a.patchUser, reply: a.user },
  getMe: { reply: s.me },
  getDeployment: { reply: s.deployment },
  listLogins: { reply: o.loginWayPage },
  beginLogin: { body: o.beginLogin, reply: o.login },
  finishLogin: { body: o.finishLogin, reply: o.loginResult },
  getHealth: { reply: s.health },
  getReady: { reply: s.health },
} as const satisfies Record<RouteName, Shape>;

type In<T> = T extends z.ZodType ? z.input<T> : undefined;
type Field<R extends RouteName, K extends string> = K extends keyof (typeof contract)[R]
  ? In<(typeof contract)[R][K]>
  : undefined;

/** What a client passes to a route, and what it gets; types only, so that importing them loads nothing. */
export interface RouteTypes<R extends RouteName> {
  readonly params: Field<R, "params">;
  readonly query: Field<R, "query">;
  readonly body: Field<R, "body">;
  readonly reply: z.infer<(typeof contract)[R]["reply"]>;
}
