/** The built command logs in at a real provider of OpenID Connect, through a real server that its configuration file names. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { gpuDev, temporaryHome } from "../helpers/gpu-dev.ts";
import { CLIENT, startProvider, visit } from "../helpers/oidc-provider.ts";
import { environment, startServerProcess } from "../helpers/server-process.ts";

const bin = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");

function home(): string {
  const made = temporaryHome();
  onTestFinished(made.remove);
  return made.home;
}

/** `gpu-dev login`, and what a person does meanwhile who reads the address that it shows. */
async function logIn(at: string, url: string, person: (address: string) => Promise<unknown>) {
  const child = spawn(process.execPath, [bin, "login", url, "--with", "oidc"], {
    env: environment(at),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const shown = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk) => {
    shown.stdout += chunk;
  });
  child.stderr.on("data", (chunk) => {
    shown.stderr += chunk;
  });
  const closed = once(child, "close");
  await expect.poll(() => /Open (\S+)/.exec(shown.stderr)?.[1], { timeout: 60_000 }).toBeDefined();
  await person(/Open (\S+)/.exec(shown.stderr)?.[1] ?? "");
  const [code] = await closed;
  return { code, ...shown };
}

test("X-02 C-21 gpu-dev login --with oidc, from nothing to a token that works", async () => {
  const sso = await startProvider({ ada: { preferred_username: "ada", groups: ["gpu", "gpu-admins"] } });
  onTestFinished(() => sso.stop());
  const operator = home();
  const config = join(operator, "server.yaml");
  const secret = join(operator, "oidc-secret");
  writeFileSync(secret, `${CLIENT.secret}\n`, { mode: 0o600 });
  const oidc = {
    title: "Test SSO",
    issuer: sso.issuer,
    client_id: CLIENT.id,
    client_secret_file: secret,
    allow: { groups: ["gpu"] },
    admins: { groups: ["gpu-admins"] },
  };
  writeFileSync(config, JSON.stringify({ logins: { oidc }, login_ttl: "12h" }));
  const server = await startServerProcess({ home: operator, args: ["--config", config] });
  onTestFinished(() => server.kill());

  const ada = home();
  const [done, refused] = await Promise.all([
    logIn(ada, server.url, (address) => visit(address, { login: "ada" })),
    logIn(home(), server.url, (address) => visit(address, { login: "eve", abort: true })),
  ]);
  expect(done).toMatchObject({ code: 0, stdout: expect.stringMatching(/^name\tada\nrole\tadmin\n/) });
  expect((await gpuDev(ada, ["whoami"])).stdout).toContain("name\tada");
  const status = JSON.parse((await gpuDev(ada, ["status", "--json"])).stdout);
  expect(status.health.services).toMatchObject({ oidc: "ok" });

  expect(refused).toMatchObject({
    code: 4,
    stderr: expect.stringContaining("the login was refused at Test SSO"),
  });
  expect(server.log()).not.toContain(CLIENT.secret);
});
