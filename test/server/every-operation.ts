/** For each operation a request that an administrator is answered as it is meant, in this order. */
import type { Client } from "../../src/api/client.ts";
import type { RouteName } from "../../src/api/routes.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { announced, tarOf } from "./build-context.ts";
import { type Own, PASSWORD, type World } from "./furnish.ts";

/** It is known, and does not answer any more. */
export const GONE_NODE = "node-2";

/** Of `own`, what is taken away is taken away last. */
export const everyOperation: {
  readonly [R in RouteName]: (api: Client, own: Own, world: World) => Promise<unknown>;
} = {
  getHealth: (api) => api.getHealth({}),
  getReady: (api) => api.getReady({}),
  getDeployment: (api) => api.getDeployment({}),
  checkDeployment: (api) => api.checkDeployment({}),
  getMe: (api) => api.getMe({}),
  listLogins: (api) => api.listLogins({}),
  beginLogin: (api) => api.beginLogin({ body: { with: "oidc" } }),
  finishLogin: (api, { logins: login }, { passLogin }) => {
    passLogin();
    return api.finishLogin({ body: { login } });
  },
  listGpuTypes: (api) => api.listGpuTypes({ query: {} }),
  listAvailability: (api) => api.listAvailability({ query: {} }),
  listNodes: (api) => api.listNodes({ query: {} }),
  listNodeHolders: (api, { nodes: node }) => api.listNodeHolders({ params: { node }, query: {} }),
  cordonNode: (api, { nodes: node }) => api.cordonNode({ params: { node } }),
  uncordonNode: (api, { nodes: node }) => api.uncordonNode({ params: { node } }),
  getNodeLosses: (api) => api.getNodeLosses({ params: { node: GONE_NODE } }),
  forgetNode: (api) => api.forgetNode({ params: { node: GONE_NODE } }),

  listReservations: (api) => api.listReservations({ query: { state: "all" } }),
  planReservation: (api) => api.planReservation({ body: { gpu_type: "h100", duration_s: 3600 } }),
  createReservation: (api) => api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } }),
  getReservation: (api, { reservations: id }) => api.getReservation({ params: { id } }),
  listAdvice: (api, { reservations: id }) => api.listAdvice({ params: { id } }),
  getDiagnostics: (api, { reservations: id }) => api.getDiagnostics({ params: { id } }),
  listEvents: (api, { reservations: id }) => api.listEvents({ params: { id }, query: {} }),
  listLogs: (api, { reservations: id }) => api.listLogs({ params: { id }, query: {} }),
  getUsage: (api, { reservations: id }) => api.getUsage({ params: { id } }),
  patchReservation: (api, { reservations: id, names: user }) =>
    api.patchReservation({ params: { id }, body: { add_users: [user] } }),
  liftReservation: (api, { reservations: id }) =>
    api.liftReservation({ params: { id }, body: { extend_s: 60, reason: "a paper" } }),

  listDisks: (api) => api.listDisks({ query: {} }),
  createDisk: (api) => api.createDisk({ body: { name: "another" } }),
  getDisk: (api, { disks: id }) => api.getDisk({ params: { id } }),
  patchDisk: (api, { disks: id }) => api.patchDisk({ params: { id }, body: { snapshot_policy: "never" } }),
  listSnapshots: (api, { disks: id }) => api.listSnapshots({ params: { id }, query: {} }),
  listContents: (api, { disks: id }) => api.listContents({ params: { id }, query: {} }),
  listDiskOperations: (api, { disks: id }) => api.listDiskOperations({ params: { id }, query: {} }),
  getDiskOperation: (api, own) => api.getDiskOperation({ params: { id: own["disk-operations"] } }),
  resizeDisk: (api, { disks: id }) => api.resizeDisk({ params: { id }, body: { size_bytes: 2 ** 25 } }),
  createSnapshot: (api, { disks: id }, world) =>
    world.settle().then(() => api.createSnapshot({ params: { id }, body: {} })),
  cloneDisk: (api, { disks: id }, world) =>
    world.settle().then(() => api.cloneDisk({ params: { id }, body: { name: "copy" } })),
  restoreDisk: (api, { disks: id, snapshots: snapshot }, world) =>
    world.settle().then(() => api.restoreDisk({ params: { id }, body: { snapshot, as: "restored" } })),
  unlockDisk: (api, { disks: id }, world) => world.settle().then(() => api.unlockDisk({ params: { id } })),
  deleteDisk: (api, { disks: id }) => api.deleteDisk({ params: { id } }),
  undeleteDisk: (api, { disks: id }) => api.undeleteDisk({ params: { id }, body: {} }),
  cancelReservation: (api, { reservations: id }) => api.cancelReservation({ params: { id } }),

  listRegistries: (api) => api.listRegistries({}),
  setRegistry: (api) =>
    api.setRegistry({ body: { host: "ghcr.io", username: "octocat", password: PASSWORD } }),
  removeRegistry: (api, { registries: host }) => api.removeRegistry({ params: { host } }),
  createBuild: (api) => api.createBuild({ body: announced(Buffer.alloc(2048)) }),
  getBuild: (api, { builds: id }) => api.getBuild({ params: { id } }),
  async uploadContext(api) {
    const bytes = await tarOf([{ name: "Dockerfile", text: "FROM y" }]);
    const { id } = await api.createBuild({ body: announced(bytes) });
    return api.uploadContext({ params: { id }, query: { offset: "0" }, body: bytes });
  },

  listKeys: (api) => api.listKeys({ query: {} }),
  createKey: (api) => api.createKey({ body: { public_key: newKeyPair().publicKey } }),
  deleteKey: (api, { keys: id }) => api.deleteKey({ params: { id } }),
  listTokens: (api) => api.listTokens({ query: { state: "all" } }),
  createToken: (api) => api.createToken({ body: { label: "ci", scope: "metrics" } }),
  getToken: (api, { tokens: id }) => api.getToken({ params: { id } }),
  rotateToken: (api, { tokens: id }) => api.rotateToken({ params: { id } }),
  revokeToken: (api, { tokens: id }) => api.revokeToken({ params: { id }, query: { made: "all" } }),
  listIdentities: (api) => api.listIdentities({}),
  async linkIdentity(api, _own, { passLogin }) {
    const { login } = await api.beginLogin({ body: { with: "oidc" } });
    passLogin();
    return api.linkIdentity({ body: { login } });
  },
  unlinkIdentity: (api, { identities: id }) => api.unlinkIdentity({ params: { id }, query: {} }),

  listUsers: (api) => api.listUsers({ query: {} }),
  createUser: (api) => api.createUser({ body: { name: "grace" } }),
  getUser: (api, { users: id }) => api.getUser({ params: { id } }),
  listUserTokens: (api, { users: id }) => api.listUserTokens({ params: { id }, query: { state: "all" } }),
  createUserToken: (api, { users: id }) => api.createUserToken({ params: { id }, body: { label: "first" } }),
  listUserIdentities: (api, { users: id }) => api.listUserIdentities({ params: { id } }),
  linkUserIdentity: (api, { users: id }) =>
    api.linkUserIdentity({ params: { id }, body: { with: "oidc", subject: "of-a-guest" } }),
  async unlinkUserIdentity(api, { users: id }) {
    const body = { with: "oidc", subject: "of-a-guest-who-leaves" } as const;
    const { id: identity } = await api.linkUserIdentity({ params: { id }, body });
    return api.unlinkUserIdentity({ params: { id, identity }, query: { made: "all" } });
  },
  listTeams: (api) => api.listTeams({ query: {} }),
  createTeam: (api) => api.createTeam({ body: { name: "vision" } }),
  addMember: (api, { teams: team, names: user }) => api.addMember({ params: { team }, body: { user } }),
  setQuota: (api, { names: user }) => api.setQuota({ body: { user, gpus: 8, gpu_types: ["h100"] } }),
  listQuotas: (api) => api.listQuotas({ query: {} }),
  listOwnQuotas: (api) => api.listOwnQuotas({ query: {} }),
  removeMember: (api, { teams: team, names: user }) => api.removeMember({ params: { team, user } }),
  deleteTeam: (api, { teams: team }) => api.deleteTeam({ params: { team } }),
  patchUser: (api, { users: id }) =>
    api.patchUser({ params: { id }, body: { disabled: true, cancel: true } }),
  listAudit: (api) => api.listAudit({ query: { limit: "500" } }),
};
