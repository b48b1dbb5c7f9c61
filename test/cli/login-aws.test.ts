/** Logins by an identity of AWS: the command line signs, the server asks a stand-in of AWS that checks what was signed. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createAws } from "../../src/server/logins/aws.ts";
import { Service } from "../../src/server/outside/service.ts";
import { engines, sqlite } from "../helpers/engines.ts";
import { startSts } from "../helpers/sts.ts";
import { openLogins, refused, settingsOf } from "../server/logins/login-client.ts";
import { createWorld, type WorldOptions } from "./helpers/world.ts";

const URL = "https://gpu.test";
const SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const ROLE_KEYS = {
  AWS_ACCESS_KEY_ID: "ASIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: SECRET,
  AWS_SESSION_TOKEN: "FwoGZXIvYXdzEBc+/a=b==",
};
const assumed = (session: string, role = "gpu-dev") => ({
  arn: `arn:aws:sts::123456789012:assumed-role/${role}/${session}`,
  userId: `AROA${role.toUpperCase()}:${session}`,
});

/** A server at `URL` that takes these roles, and somebody's machine with these credentials. */
async function open(
  given: {
    settings?: object;
    env?: Record<string, string>;
    world?: WorldOptions;
    engine?: typeof sqlite;
  } = {},
) {
  const { settings, env = ROLE_KEYS, engine = sqlite } = given;
  const clock = { now: () => new Date(0) };
  const sts = await startSts(
    {
      ASIAIOSFODNN7EXAMPLE: {
        secret: SECRET,
        token: ROLE_KEYS.AWS_SESSION_TOKEN,
        ...assumed("ada@example.com"),
      },
      AKIAIOSFODNN7EXAMPLE: {
        secret: SECRET,
        arn: "arn:aws:iam::123456789012:user/team/ci",
        userId: "AIDACI",
      },
    },
    () => clock.now(),
  );
  const allow = ["arn:aws:iam::123456789012:role/gpu-*", "arn:aws:iam::123456789012:user/ci"];
  const aws = settingsOf("aws", { server_url: URL, sts_url: sts.url, allow, ...settings });
  const service = new Service({ name: "sts", title: "AWS" });
  const { rig, api, begin } = await openLogins(engine, createAws(aws, service));
  const world = createWorld({ env: { GPU_DEV_URL: "", GPU_DEV_TOKEN: "", ...env }, ...given.world });
  const sent: string[] = [];
  Object.assign(world.server, {
    fetch: async (url: string, init: RequestInit) => {
      sent.push(`${url} ${init.body ?? ""}`);
      world.now = rig.clock.now();
      return rig.app.request(url.replace(URL, ""), init);
    },
  });
  world.now = rig.clock.now();
  clock.now = () => rig.clock.now();
  const stored = () => JSON.parse(readFileSync(join(world.home, "gd", "credentials.json"), "utf8"));
  return { api, begin, rig, sent, stored, sts, world, login: () => world.gpuDev(`login ${URL} --with aws`) };
}

describe.each(engines)("on $engine", (engine) => {
  test("X-02 C-21 who may assume the role is logged in, and no secret leaves the machine", async () => {
    const { login, sent, stored, sts, world } = await open({ engine });
    const done = await login();
    expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^name\tgpu-dev\nrole\tuser\n/) });
    expect(stored().contexts["gpu.test"]).toMatchObject({ url: URL, login: "aws" });
    expect((await world.gpuDev("whoami")).stdout).toContain("gpu-dev");
    expect(sts.requests).toHaveLength(1);
    const all = [...sent, ...sts.requests, done.stdout, done.stderr].join("\n");
    expect(all).not.toContain(SECRET);
    expect(all).not.toContain(encodeURIComponent(SECRET));
  });

  test("X-02 what was signed is good once, for this login, and for a moment", async () => {
    const { api, begin, login, rig, sent, sts } = await open({ engine });
    await login();
    const body = JSON.parse(
      sent
        .find((line) => line.includes("finish"))
        ?.split(" ")
        .at(-1) ?? "",
    );
    expect((await refused(api.finishLogin({ body }))).code).toBe("login_over");
    const another = await begin();
    const replayed = api.finishLogin({ body: { ...body, login: another.login } });
    expect(await refused(replayed)).toMatchObject({
      code: "not_allowed",
      detail: "AWS does not take the signature: SignatureDoesNotMatch",
    });
    expect((await refused(api.finishLogin({ body: { ...body, login: another.login } }))).code).toBe(
      "login_over",
    );
    rig.clock.tick(301_000);
    const late = await begin();
    expect(await refused(api.finishLogin({ body: { ...body, login: late.login } }))).toMatchObject({
      code: "not_allowed",
      hint: "set the clock of your machine",
    });
    expect(sts.requests).toHaveLength(2);
  });
});

test("X-02 what is signed for another server is worth nothing here, and is not signed at all by our command line", async () => {
  const { login, sts } = await open({ settings: { server_url: "https://other.test" } });
  const done = await login();
  expect(done).toMatchObject({ code: 2, stderr: expect.stringContaining("calls itself https://other.test") });
  expect(sts.requests).toEqual([]);
  const here = await open();
  Object.assign(here.world.server, {
    fetch: async (url: string, init: RequestInit) => {
      const response = await here.rig.app.request(url.replace(URL, ""), init);
      // Somebody in between would have it signed for themselves.
      if (!url.endsWith("/v1/logins")) return response;
      const begun = (await response.json()) as { aws: object };
      return Response.json({ ...begun, aws: { ...begun.aws, server_url: "https://mallory.test" } });
    },
  });
  expect(await here.world.gpuDev("login https://mallory.test --with aws")).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("AWS does not take the signature: SignatureDoesNotMatch"),
  });
});

test("roles by pattern, users of IAM without their path; others are told as whom AWS knows them", async () => {
  const { login, sts } = await open({ settings: { admins: ["arn:aws:iam::123456789012:role/gpu-admin"] } });
  const as = (arn: { arn: string; userId: string }) => {
    sts.keys.ASIAIOSFODNN7EXAMPLE = { secret: SECRET, token: ROLE_KEYS.AWS_SESSION_TOKEN, ...arn };
    return login();
  };
  expect((await as(assumed("x", "gpu-admin"))).stdout).toContain("role\tadmin");
  expect((await as(assumed("x", "gpu-dev"))).stdout).toContain("role\tuser");
  for (const arn of [
    assumed("x", "other"),
    assumed("x", "not-gpu-dev"),
    { arn: "arn:aws:sts::210987654321:assumed-role/gpu-dev/x", userId: "AROAEVIL:x" },
    { arn: "arn:aws:iam::123456789012:root", userId: "123456789012" },
    { arn: "arn:aws:sts::123456789012:federated-user/gpu-dev", userId: "123456789012:gpu-dev" },
  ])
    expect(await as(arn)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`AWS knows you as ${arn.arn}`),
    });
  const iam = await open({
    env: { AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE", AWS_SECRET_ACCESS_KEY: SECRET },
  });
  expect((await iam.login()).stdout).toContain("name\tci");
});

test("sessions are users of their own where the configuration says that people cannot choose their names", async () => {
  const { login, sts } = await open({ settings: { name_from: "session" } });
  expect((await login()).stdout).toContain("name\tada@example.com");
  sts.keys.ASIAIOSFODNN7EXAMPLE = {
    secret: SECRET,
    token: ROLE_KEYS.AWS_SESSION_TOKEN,
    ...assumed("bob@example.com"),
  };
  expect((await login()).stdout).toContain("name\tbob@example.com");
});

test("C-03 commands that notice together that a login is over make one new login, not one each", async () => {
  const { login, rig, sts, world } = await open();
  await login();
  rig.clock.tick(3_600_000);
  const all = Promise.withResolvers<void>();
  let asked = 0;
  const { fetch } = world.server;
  Object.assign(world.server, {
    fetch: async (...[url, init]: Parameters<typeof fetch>) => {
      if (url.endsWith("/v1/me") && ++asked === 3) all.resolve();
      // None is done with renewing before all have been refused.
      if (url.endsWith("/v1/logins")) await all.promise;
      return fetch(url, init);
    },
  });
  const done = await Promise.all([1, 2, 3].map(() => world.gpuDev("whoami")));
  expect(done.map(({ code }) => code)).toEqual([0, 0, 0]);
  // That of the login itself, and one more.
  expect(sts.requests).toHaveLength(2);
});

test("C-03 a login that is over is made anew, once, by the command that notices it", async () => {
  const { login, rig, sent, stored, sts, world } = await open();
  await login();
  const first = stored().contexts["gpu.test"].token;
  rig.clock.tick(3_600_000);
  sent.length = 0;
  const done = await world.gpuDev("whoami");
  expect(done).toMatchObject({
    code: 0,
    stderr: expect.stringContaining("Your login to https://gpu.test is over"),
  });
  expect(stored().contexts["gpu.test"].token).not.toBe(first);
  expect(sent.map((line) => line.split(" ")[0]?.replace(URL, ""))).toEqual([
    "/v1/me",
    "/v1/logins",
    "/v1/logins/finish",
    "/v1/me",
  ]);
  // AWS does not know the keys any more: that is said, and nothing is tried again.
  rig.clock.tick(3_600_000);
  sts.keys.ASIAIOSFODNN7EXAMPLE = { secret: "other", ...assumed("x") };
  const failed = await world.gpuDev("whoami");
  expect(failed).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("AWS does not take the signature"),
  });
});

test("C-03 a login at a provider is made anew only where a person is, and a token that was given never", async () => {
  const { login, rig, sent, stored, world } = await open();
  await login();
  const file = join(world.home, "gd", "credentials.json");
  const entry = stored().contexts["gpu.test"];
  rig.clock.tick(3_600_000);
  for (const known of [
    { ...entry, login: "oidc" },
    { url: entry.url, token: entry.token },
  ]) {
    writeFileSync(file, JSON.stringify({ current: "gpu.test", contexts: { "gpu.test": known } }));
    sent.length = 0;
    expect((await world.gpuDev("whoami")).code).toBe(4);
    expect(sent).toHaveLength(1);
  }
});

describe("credentials", () => {
  const files = (texts: { config?: string; credentials?: string }, env: Record<string, string> = {}) =>
    open({ env }).then((opened) => {
      mkdirSync(join(opened.world.home, ".aws"), { recursive: true });
      for (const [name, text] of Object.entries(texts))
        writeFileSync(join(opened.world.home, ".aws", name), text);
      return opened;
    });
  const keys = `aws_access_key_id = AKIAIOSFODNN7EXAMPLE\naws_secret_access_key=${SECRET}\n`;
  const printed = JSON.stringify({
    Version: 1,
    AccessKeyId: "AKIAIOSFODNN7EXAMPLE",
    SecretAccessKey: SECRET,
  });

  test("of the profile's keys in the shared files", async () => {
    const { login } = await files({ credentials: `[other]\naws_access_key_id = X\n\n[default]\n${keys}` });
    expect((await login()).code).toBe(0);
    const named = await files(
      { config: `# mine\n[profile work]\nregion = eu-west-1\n${keys}` },
      { AWS_PROFILE: "work" },
    );
    expect((await named.login()).code).toBe(0);
  });

  test("of the profile's credential_process, by a shell", async () => {
    const { login, world } = await files({ config: '[default]\ncredential_process = echo "$PRINTED"\n' });
    world.env.PRINTED = printed;
    const printing = await files({ config: `[default]\ncredential_process = printf '%s' '${printed}'\n` });
    expect((await printing.login()).code).toBe(0);
    expect(printing.world.programs[0]?.[0]).toBe("sh");
    expect((await login()).stderr).toContain("sh printed something else than credentials");
  });

  test("else of the AWS CLI, which knows roles and single sign-on; without it that is said", async () => {
    const given = await open({
      env: { AWS_PROFILE: "sso" },
      world: {
        runProgram: async () => ({ code: 0, stdout: printed, stderr: "" }),
      },
    });
    expect((await given.login()).code).toBe(0);
    expect(given.world.programs).toEqual([["aws", "configure", "export-credentials", "--profile", "sso"]]);
    const machine = await open({
      env: {},
      world: {
        runProgram: async () => ({ code: 0, stdout: printed, stderr: "" }),
      },
    });
    expect((await machine.login()).code).toBe(0);
    expect(machine.world.programs).toEqual([["aws", "configure", "export-credentials"]]);
    const failing = await open({
      env: {},
      world: {
        runProgram: async () => ({ code: 255, stdout: "", stderr: "\nToken has expired\nand more\n" }),
      },
    });
    expect((await failing.login()).stderr).toContain("the profile default: aws says: Token has expired\nSet");
    const without = await open({
      env: {},
      world: {
        runProgram: async () => Promise.reject(new Error("ENOENT")),
      },
    });
    expect(await without.login()).toMatchObject({
      code: 4,
      stderr: expect.stringMatching(
        /No credentials of AWS were found for the profile default: there is no program aws\n.*AWS_PROFILE/,
      ),
    });
  });
});
