/** Logins at a stand-in of GitHub that behaves as GitHub's manual says of its device flow and its API. */
import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { describe, expect, onTestFinished, test } from "vitest";
import { createGithub } from "../../../src/server/logins/github.ts";
import { Service } from "../../../src/server/outside/service.ts";
import { engines } from "../../helpers/engines.ts";
import { done, openLogins, refused, settingsOf } from "./login-client.ts";

const GRANT = "urn:ietf:params:oauth:grant-type:device_code";
const DEVICE_CODE = "3584d83530557fdd1f46af8289938c8ef79f9dc5";

interface Account {
  readonly id: number;
  readonly login: string;
  /** By organisation, or team as "organisation/team". */
  readonly memberships: Record<string, "active" | "pending">;
}

/** What it answers about the code: an error's name, or the account that entered it. */
interface StandIn {
  readonly url: string;
  says: string | Account;
  /** It was asked too much. */
  limited: boolean;
}

async function startGithub(): Promise<StandIn> {
  const github: StandIn = { url: "", says: "authorization_pending", limited: false };
  const http = createServer(async (request, response) => {
    const { status = 200, headers, body } = await answer(github, request);
    response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
    response.end(JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  return Object.assign(github, { url: `http://127.0.0.1:${(http.address() as AddressInfo).port}` });
}

type Answer = {
  readonly status?: number;
  readonly headers?: Record<string, string>;
  readonly body: object;
};

async function answer(github: StandIn, request: IncomingMessage): Promise<Answer> {
  const path = request.url ?? "";
  if (path.startsWith("/api/")) return ofApi(github, request, path.slice("/api".length));
  const form = new URLSearchParams(await text(request));
  // Without this header GitHub answers with a form, which nobody reads.
  if (request.headers.accept !== "application/json") return { status: 406, body: {} };
  if (form.get("client_id") !== "Iv1.0123") return { status: 404, body: { error: "Not Found" } };
  if (path === "/login/device/code" && form.get("scope") === "read:org")
    return {
      body: {
        device_code: DEVICE_CODE,
        user_code: "WDJB-MJHT",
        verification_uri: `${github.url}/login/device`,
        expires_in: 900,
        interval: 5,
      },
    };
  if (form.get("grant_type") !== GRANT) return { body: { error: "unsupported_grant_type" } };
  if (form.get("device_code") !== DEVICE_CODE) return { body: { error: "incorrect_device_code" } };
  return ofCode(github.says);
}

/** Errors come with status 200. */
const ofCode = (says: StandIn["says"]): Answer =>
  typeof says === "string"
    ? {
        body: {
          error: says,
          error_description: "in words",
          ...(says === "slow_down" ? { interval: 10 } : {}),
        },
      }
    : {
        body: {
          access_token: "gho_16C7e42F292c6912E7710c838347Ae178B4a",
          token_type: "bearer",
          scope: "read:org",
        },
      };

function ofApi({ says, limited }: StandIn, { headers }: IncomingMessage, path: string): Answer {
  const isKnown = headers.authorization === "Bearer gho_16C7e42F292c6912E7710c838347Ae178B4a";
  if (!isKnown || typeof says === "string") return { status: 401, body: { message: "Bad credentials" } };
  if (path === "/user") return { body: { id: says.id, login: says.login, type: "User" } };
  if (limited) return { status: 403, headers: { "x-ratelimit-remaining": "0" }, body: {} };
  const [, organisation] = /^\/user\/memberships\/orgs\/(.+)$/.exec(path) ?? [];
  const [, of, team, login] = /^\/orgs\/(.+)\/teams\/(.+)\/memberships\/(.+)$/.exec(path) ?? [];
  const state = says.memberships[organisation ?? `${of}/${team}`];
  const isTheirs = login === undefined || login === says.login;
  return state && isTheirs
    ? { body: { state, role: "member" } }
    : { status: 404, body: { message: "Not Found" } };
}

const octocat: Account = { id: 583231, login: "Octocat", memberships: { acme: "active" } };

describe.each(engines)("on $engine", (engine) => {
  async function open(given: object = { allow: { groups: ["Acme"] } }) {
    const github = await startGithub();
    const api_url = `${github.url}/api`;
    const settings = settingsOf("github", { url: github.url, api_url, client_id: "Iv1.0123", ...given });
    const service = new Service({ name: "github", title: settings.title });
    const world = await openLogins(engine, createGithub(settings, undefined, service));
    return {
      ...world,
      github,
      async logIn(account: Account) {
        github.says = account;
        const { login } = await world.begin();
        world.rig.clock.tick(5000);
        return done(await world.finish(login));
      },
    };
  }

  test("X-02 a device login, asked about as often as GitHub wants it", async () => {
    const { begin, finish, github, rig } = await open();
    const { login, device } = await begin();
    expect(device).toEqual({
      verification_uri: `${github.url}/login/device`,
      verification_uri_complete: null,
      user_code: "WDJB-MJHT",
      interval_s: 5,
    });
    rig.clock.tick(5000);
    expect(await finish(login)).toEqual({ state: "pending", interval_s: 5 });
    github.says = "slow_down";
    rig.clock.tick(5000);
    expect(await finish(login)).toEqual({ state: "pending", interval_s: 10 });
    github.says = octocat;
    rig.clock.tick(9000);
    expect(await finish(login)).toEqual({ state: "pending", interval_s: 10 });
    rig.clock.tick(1000);
    expect(done(await finish(login)).user).toMatchObject({ name: "octocat", role: "user" });
  });

  test("active members of what the rules name come in, and nobody else", async () => {
    const { logIn } = await open({ allow: { users: ["Hubot"], groups: ["acme", "other/gpu"] } });
    expect((await logIn(octocat)).user.name).toBe("octocat");
    const mona = { id: 2, login: "mona", memberships: {} };
    expect(await refused(logIn({ ...mona, memberships: { acme: "pending" } }))).toMatchObject({
      code: "not_allowed",
      detail: "GitHub knows you as mona, who may not log in here",
    });
    expect((await logIn({ ...mona, memberships: { "other/gpu": "active" } })).user.name).toBe("mona");
    expect((await logIn({ id: 3, login: "hubot", memberships: {} })).user.name).toBe("hubot");
  });

  test("an account is known by its number: another one of the same login is somebody else", async () => {
    const { logIn } = await open();
    const first = await logIn(octocat);
    expect((await logIn({ ...octocat, login: "renamed" })).user).toEqual(first.user);
    expect(await refused(logIn({ ...octocat, id: 7 }))).toMatchObject({ code: "name_taken" });
  });

  test("who may ask GitHub no more for now keeps the role: that says nothing about memberships", async () => {
    const { logIn, github, rig } = await open({
      allow: { users: ["octocat"] },
      admins: { groups: ["acme"] },
    });
    const root = await rig.person("root", "admin");
    const { user } = await logIn(octocat);
    github.limited = true;
    expect(await refused(logIn(octocat))).toMatchObject({ code: "unavailable" });
    expect((await root.api.getUser({ params: { id: user.id } })).role).toBe("admin");
  });

  test("A-11 logins that are begun and not finished are few from one address; who gets in may come again", async () => {
    const { github, rig } = await open();
    Object.assign(rig, { limits: { ...rig.limits, failedLoginsPerAddress: 2 } });
    const send = async (path: string, body: object, remoteAddress = "192.0.2.1") => {
      const headers = { "content-type": "application/json" };
      const init = { method: "POST", headers, body: JSON.stringify(body) };
      return rig.app.request(path, init, { incoming: { headers: {}, socket: { remoteAddress } } });
    };
    const begin = (address?: string) => send("/v1/logins", { with: "github" }, address);
    const { login } = (await (await begin()).json()) as { login: string };
    expect((await begin()).status).toBe(200);
    const refusal = await begin();
    expect([refusal.status, refusal.headers.get("retry-after")]).toEqual([429, "30"]);
    for (const other of ["192.0.2.2", "127.0.0.1"]) expect((await begin(other)).status).toBe(200);
    github.says = octocat;
    rig.clock.tick(5000);
    expect(await (await send("/v1/logins/finish", { login })).json()).toMatchObject({ state: "done" });
    expect([(await begin()).status, (await begin()).status]).toEqual([200, 429]);
  });

  test.each([
    ["access_denied", "not_allowed", "the login was refused at GitHub"],
    ["expired_token", "login_over", "the code for GitHub is good no longer"],
    ["incorrect_device_code", "login_over", "the code for GitHub is good no longer"],
    [
      "device_flow_disabled",
      "unavailable",
      "GitHub and this server do not understand each other: device_flow_disabled",
    ],
  ])("%s is %s, in words", async (error, code, words) => {
    const { begin, finish, github, rig } = await open();
    const { login } = await begin();
    github.says = error;
    rig.clock.tick(5000);
    expect(await refused(finish(login))).toMatchObject({ code, detail: expect.stringContaining(words) });
  });

  test("a registration that GitHub does not know is named when a login begins", async () => {
    const { begin } = await open({ client_id: "unknown", allow: { users: ["octocat"] } });
    expect(await refused(begin())).toMatchObject({
      code: "unavailable",
      detail: expect.stringContaining("GitHub and this server do not understand each other"),
    });
  });
});
