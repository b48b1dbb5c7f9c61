/** `gpu-dev doctor`: a fake server for the API, and a real gateway for the tunnel. */
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { VERSION } from "../../src/api/version.ts";
import { makeCertificates } from "../helpers/certificates.ts";
import { TOKEN } from "../tunnel/rig.ts";
import { atEnd, given as givenRig, listen } from "../tunnel/scene.ts";
import { startSshd } from "../tunnel/sshd.ts";
import { availability, page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9iEC9PgMJ34r5mIhiddenhiddenhiddenhidden0000";
const FINGERPRINT = `SHA256:${createHash("sha256")
  .update(Buffer.from(KEY.split(" ")[1] ?? "", "base64"))
  .digest("base64")
  .replace(/=+$/, "")}`;

interface Given {
  readonly url: string;
  readonly options?: WorldOptions;
}

/** A world in which all is well, but for what the test makes different. */
function healthy({ url, options }: Given): World {
  const world = createWorld({
    handlers: {
      getHealth: () => ({ status: "ok", checks: {} }),
      getMe: () => ({ id: "u", name: "ada", role: "user" }),
      getDeployment: () => ({ id: "d", version: "9.9.9", min_cli: VERSION, domain: "pods.test" }),
      listKeys: () =>
        page({
          id: "k",
          type: "ssh-ed25519",
          fingerprint: FINGERPRINT,
          comment: "",
          created_at: "2026-01-01T00:00:00.000Z",
        }),
      listAvailability: () => page(),
      listReservations: () => page(reservation()),
    },
    runProgram: async () => ({ code: 0, stdout: "", stderr: "OpenSSH_9.2p1 Debian-2, OpenSSL 3.0\n" }),
    ...options,
    env: { GPU_DEV_URL: url, GPU_DEV_TOKEN: TOKEN, ...options?.env },
  });
  world.server.date = world.now.toUTCString();
  const state = join(world.home, "gd");
  mkdirSync(join(world.home, ".ssh"));
  mkdirSync(state);
  writeFileSync(join(world.home, ".ssh", "config"), "Include ~/gd/ssh_config\n");
  writeFileSync(
    join(state, "ssh_config"),
    `Host x\n  ProxyCommand ${process.execPath} '${import.meta.filename}' --context x\n`,
  );
  writeFileSync(join(state, "id_ed25519"), "private", { mode: 0o600 });
  writeFileSync(join(state, "id_ed25519.pub"), `${KEY} gpu-dev\n`);
  return world;
}

/** Without what differs from run to run. */
const steady = (world: World, text: string): string =>
  text
    .replaceAll(world.home, "HOME")
    .replaceAll(world.env.GPU_DEV_URL ?? "", "URL")
    .replaceAll(/\d+(\.\d+)? ms/g, "N ms")
    .replaceAll(`${process.versions.node} (${process.execPath})`, "NODE")
    .replaceAll(VERSION, "VERSION");

async function givenSshd(options?: WorldOptions): Promise<World> {
  const sshd = await startSshd();
  atEnd(() => sshd.stop());
  const { rig } = await givenRig(undefined, { dial: () => sshd.dial() });
  return healthy({ url: rig.url, ...(options ? { options } : {}) });
}

test("doctor finds all well, with the echo of a real sshd behind a real gateway: the piped form", async () => {
  const world = await givenSshd();
  const done = await world.gpuDev("doctor");
  expect(steady(world, done.stdout).split("\n")).toEqual([
    "ok\tnode\tNODE\t",
    "ok\tssh\tOpenSSH_9.2p1\t",
    "ok\tproxy\tnone\t",
    "ok\tauthorities\tthose that come with Node\t",
    "ok\tssh-config\tincluded by HOME/.ssh/config\t",
    "ok\tserver\tURL (set by GPU_DEV_URL) answers in N ms\t",
    "ok\tclock\twithin 5 s of the server's\t",
    "ok\ttoken\tof ada, role user\t",
    "ok\tversion\tserver 9.9.9, this VERSION\t",
    "ok\tnodes\tall of them give what they have\t",
    `ok\tkey\t${FINGERPRINT} is registered\t`,
    "ok\ttunnel\tto hello and its sshd: opened in N ms, echo N ms\t",
    "",
  ]);
  expect(done).toMatchObject({ code: 0, stderr: "" });
});

/** What goes wrong everywhere at once. */
async function sick(options: WorldOptions = {}): Promise<World> {
  const world = healthy({
    url: `http://127.0.0.1:${await listen(createServer((_, response) => response.end("hello")))}`,
    options,
  });
  const state = join(world.home, "gd");
  world.env.NODE_EXTRA_CA_CERTS = join(world.home, "ca.pem");
  writeFileSync(join(world.home, ".ssh", "config"), "Host other\n");
  writeFileSync(join(state, "ssh_config"), "Host x\n  ProxyCommand /gone/node '/gone/it is' --context x\n");
  chmodSync(join(state, "id_ed25519"), 0o644);
  world.now = new Date(world.now.getTime() + 125_000);
  world.server.handlers.listReservations = () => page();
  world.server.handlers.getDeployment = () => ({
    id: "d",
    version: "9.9.9",
    min_cli: "9.0.0",
    domain: "pods.test",
  });
  return world;
}

test("doctor says how to mend what is wrong, exit 1: the JSON form", async () => {
  const world = await sick({
    runProgram: async () => {
      throw Object.assign(new Error("spawn ssh ENOENT"), { code: "ENOENT" });
    },
  });
  const done = await world.gpuDev("doctor --json");
  expect(done).toMatchObject({ code: 1, stderr: "" });
  const { ok, checks } = JSON.parse(steady(world, done.stdout));
  expect(ok).toBe(false);
  const found = Object.fromEntries(
    checks.map(({ check, status, detail, fix }: Record<string, string>) => [check, [status, detail, fix]]),
  );
  expect(found).toMatchObject({
    ssh: ["failure", "there is no program called ssh", expect.stringContaining("apt install openssh-client")],
    authorities: [
      "failure",
      expect.stringContaining("HOME/ca.pem cannot be used: ENOENT"),
      expect.stringContaining("NODE_EXTRA_CA_CERTS"),
    ],
    "ssh-config": ["failure", "it names /gone/node, which is gone", expect.stringContaining("gpu-dev list")],
    clock: ["warning", "this machine's is 125 s ahead of the server's", expect.stringContaining("NTP")],
    version: [
      "failure",
      "server 9.9.9, this VERSION; the server wants 9.0.0 or newer",
      "Upgrade gpu-dev here.",
    ],
    key: [
      "failure",
      "HOME/gd/id_ed25519 can be read by others: ssh will not use it",
      "chmod 600 HOME/gd/id_ed25519",
    ],
    tunnel: [
      "failure",
      expect.stringContaining("not as a gpu-dev server"),
      expect.stringContaining("GPU_DEV_SSH_DEBUG"),
    ],
  });
});

test("C-13 doctor on a terminal wraps at its width and cuts nothing: the table form", async () => {
  const world = await givenSshd({ terminal: true, env: { NO_COLOR: "1", HTTPS_PROXY: "http://p.test:1" } });
  writeFileSync(join(world.home, ".ssh", "config"), "Host other\n");
  const done = await world.gpuDev("doctor");
  const lines = steady(world, done.stdout).split("\n");
  expect(lines[1]).toBe("ok       ssh          OpenSSH_9.2p1");
  expect(lines[2]).toBe("ok       proxy        none for this server: NO_PROXY, its scheme or this machine");
  const at = lines.findIndex((line) => line.startsWith("warning  ssh-config   HOME/.ssh/config"));
  expect(
    lines
      .slice(at + 1, at + 4)
      .join(" ")
      .replaceAll(/\s+/g, " "),
  ).toContain("Fix: `gpu-dev ssh-config install` adds one line; `gpu-dev connect` works without.");
  for (const line of done.stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(100);
  expect(done.code).toBe(0);
});

test("doctor without a reservation tries the way to the gateway", async () => {
  const { rig } = await givenRig();
  const world = healthy({ url: rig.url });
  world.server.handlers.listReservations = () => page();
  const done = await world.gpuDev("doctor");
  expect(steady(world, done.stdout)).toContain(
    "ok\ttunnel\tthe gateway answers in N ms; with an active reservation",
  );
});

test("S-07 doctor says which nodes give nothing, and why; that is a warning", async () => {
  const { rig } = await givenRig();
  const world = healthy({ url: rig.url });
  const why =
    "it has processors of arm64, and pods get their sshd from the server's machine, which has amd64";
  const box = { name: "box-2", why, since: world.now.toISOString() };
  world.server.handlers.listAvailability = () => page(availability({ closed_nodes: [box] }));
  world.server.handlers.listReservations = () => page();
  const done = await world.gpuDev("doctor");
  expect(done.code).toBe(0);
  expect(done.stdout).toContain(
    `warning\tnodes\tNode box-2 gives nothing new: ${why}\tIt is for who runs the server: `,
  );
});

test("C-04 a server that does not answer is one failure; what needs it is skipped", async () => {
  const world = healthy({ url: "http://gpu.test" });
  world.server.handlers.getHealth = () => ({ raw: "<html>", status: 502 });
  const done = await world.gpuDev("doctor");
  expect(done.code).toBe(1);
  const status = Object.fromEntries(
    done.stdout.split("\n").map((line) => line.split("\t").slice(0, 2).reverse()),
  );
  expect(status).toMatchObject({
    node: "ok",
    server: "failure",
    clock: "skipped",
    token: "skipped",
    version: "skipped",
    key: "skipped",
    tunnel: "skipped",
  });
});

test("a token that does not work, and a proxy that cannot be used, are failures with their fix", async () => {
  const world = healthy({ url: "http://gpu.test" });
  world.env.HTTP_PROXY = "socks5://ada:hunter2@p:1";
  world.server.handlers.getMe = () => new Problem("not_logged_in", "the token is unknown");
  const done = await world.gpuDev("doctor");
  expect(done.code).toBe(1);
  expect(done.stdout).toMatch(
    /^failure\tproxy\tHTTP_PROXY is not a proxy that can be used; [^\t]*\tCorrect the/m,
  );
  expect(done.stdout).toMatch(
    /^failure\ttoken\tthe token is unknown\t`gpu-dev config show --origin` says where/m,
  );
  expect(done.stdout).not.toContain("hunter2");
});

test("T-17 doctor reads the file of NODE_EXTRA_CA_CERTS", async () => {
  const world = healthy({ url: "http://gpu.test" });
  world.server.handlers.getHealth = () => new Problem("unavailable", "down");
  const { authority } = makeCertificates(world.home, ["gpu.test"]);
  world.env.NODE_EXTRA_CA_CERTS = authority;
  world.now = new Date();
  expect((await world.gpuDev("doctor")).stdout).toContain(`ok\tauthorities\t1 more in ${authority}`);
  world.now = new Date(world.now.getTime() + 3 * 86_400_000);
  expect((await world.gpuDev("doctor")).stdout).toContain(`warning\tauthorities\t${authority}: expired on`);
  writeFileSync(authority, "no certificate");
  expect((await world.gpuDev("doctor")).stdout).toContain(`failure\tauthorities\t${authority} holds no`);
});

test("without any server, doctor looks at this machine and says how to get one", async () => {
  const world = healthy({ url: "" });
  const done = await world.gpuDev("doctor");
  expect(done.code).toBe(1);
  expect(done.stdout).toMatch(
    /^failure\tserver\tNo server is configured\tStart one here with `gpu-dev server`/m,
  );
  expect(done.stdout).toMatch(/^ok\tssh\t/m);
});
