/** What OpenSSH reads of ours, as a real ssh understands it (`ssh -G`). */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { knownHost, learnHost } from "../../src/tunnel/known-hosts.ts";
import { whileLocked, writeOwnFile } from "../../src/tunnel/own-file.ts";
import { type SshConfig, sshConfigFile, writeSshConfig } from "../../src/tunnel/ssh-config.ts";
import { cleanEnv } from "./rig.ts";

const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
const OTHER = KEY.replace(/A$/, "B");
const ID = "abcdefghijklmnopqrst";
const HOST = `${ID}.pods.test`;

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "gd-"));
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

const homeAt = (dir: string) => ({ configDir: dir, stateDir: dir });

const given = (change: Partial<SshConfig> = {}): SshConfig => ({
  context: "local",
  domain: "pods.test",
  node: "/usr/bin/node",
  proxyScript: "/opt/gpu-dev/bin/gpu-dev-ssh-proxy.js",
  entries: [{ id: ID, name: "hello", host: HOST, user: "dev", hostKey: KEY }],
  ...change,
});

/** What ssh makes of the file for a host: option name in lower case to its value. */
function understood(dir: string, host: string): Record<string, string> {
  const text = execFileSync("ssh", ["-G", "-F", join(dir, "ssh_config"), host], {
    env: cleanEnv(),
  }).toString();
  return Object.fromEntries(
    text.split("\n").map((line) => [line.split(" ", 1)[0], line.slice(line.indexOf(" ") + 1)]),
  );
}

test("T-14 a reservation is reached by alias and by name, with its host key pinned in our own file", async () => {
  await writeSshConfig(homeAt(base), given());
  for (const host of [`gpu-dev-${ID.slice(0, 8)}`, "hello"])
    expect(understood(base, host)).toMatchObject({
      hostname: HOST,
      hostkeyalias: HOST,
      user: "dev",
      userknownhostsfile: join(base, "known_hosts"),
      stricthostkeychecking: "true",
      updatehostkeys: "false",
      identityfile: join(base, "id_ed25519"),
      serveraliveinterval: "0",
      controlmaster: "auto",
      controlpersist: "600",
      proxycommand:
        "/usr/bin/node /opt/gpu-dev/bin/gpu-dev-ssh-proxy.js --context local --domain pods.test -- '%h' %p",
    });
  expect(readFileSync(join(base, "known_hosts"), "utf8")).toBe(`${HOST} ${KEY}\n`);
});

test("a reservation made elsewhere is reached by its alias; other hosts are none of our business", async () => {
  await writeSshConfig(homeAt(base), given());
  expect(understood(base, "gpu-dev-zzzzzzzz")).toMatchObject({
    hostname: "gpu-dev-zzzzzzzz.pods.test",
    user: "dev",
    stricthostkeychecking: "true",
  });
  expect(understood(base, "example.org").proxycommand).toBeUndefined();
});

test("X-03 a host name that would end the quotes in the ProxyCommand's shell line does not get there", async () => {
  await writeSshConfig(homeAt(base), given());
  const evil = `gpu-dev-';touch ${join(base, "pwned")};'`;
  spawnSync("ssh", ["-T", "-F", join(base, "ssh_config"), evil], { env: cleanEnv(), timeout: 20_000 });
  expect(readdirSync(base)).not.toContain("pwned");
  // Newer versions of ssh refuse such a name themselves; for the older ones there is this.
  expect(readFileSync(join(base, "ssh_config"), "utf8")).toContain(`Host gpu-dev-* "!*'*"\n`);
});

test("paths with spaces, quotes and percent signs reach ssh and the proxy as they are", async () => {
  const dir = join(base, "it's 100%h odd");
  const script = join(dir, "print arguments.sh");
  mkdirSync(dir, { mode: 0o700 });
  writeFileSync(script, `printf '%s|' "$@" >&2\n`);
  await writeSshConfig(
    homeAt(dir),
    given({ node: "/bin/sh", proxyScript: script, env: { GPU_DEV_HOME: dir } }),
  );
  // With ControlPersist, ssh sends the proxy's stderr to nowhere.
  const args = ["-T", "-F", join(dir, "ssh_config"), "-o", "ControlPersist=no", "hello"];
  const { stderr } = spawnSync("ssh", args, { env: cleanEnv() });
  expect(stderr.toString()).toContain(`--context|local|--domain|pods.test|--home|${dir}|--|${HOST}|22|`);
  expect(understood(dir, "hello").identityfile?.replaceAll("%%", "%")).toBe(join(dir, "id_ed25519"));
});

test("a path that ssh_config cannot say is refused with the way out", async () => {
  const home = homeAt(join(base, 'a"b'));
  await expect(writeSshConfig(home, given())).rejects.toThrow(/ssh_config cannot name .*GPU_DEV_HOME/);
});

test("connection sharing is left out where the socket's path would be too long for ssh", async () => {
  const long = join(base, "d".repeat(120));
  await writeSshConfig(homeAt(long), given());
  expect(understood(long, "hello")).toMatchObject({ controlmaster: "false" });
  // sun_path has 108 bytes; ssh needs 17 more than the path of %C, and a zero.
  const longest = join(base, "d".repeat(108 - 1 - 17 - 41 - base.length - 1));
  await writeSshConfig(homeAt(longest), given());
  const { controlpath = "" } = understood(longest, "hello");
  expect(controlpath.length + 17 + 1).toBe(108);
});

test("C-21 the files are 0600, in a directory of 0700, and replaced as a whole", async () => {
  const dir = join(base, "new");
  await writeSshConfig(homeAt(dir), given());
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  for (const file of ["ssh_config", "known_hosts"])
    expect(statSync(join(dir, file)).mode & 0o777).toBe(0o600);
  const before = statSync(sshConfigFile(homeAt(dir))).ino;
  await writeSshConfig(homeAt(dir), given());
  expect(statSync(sshConfigFile(homeAt(dir))).ino).not.toBe(before);
  expect(readdirSync(dir).sort()).toEqual(["known_hosts", "ssh_config"]);
});

test("keys of other domains stay, those of reservations that are gone do not", async () => {
  const home = homeAt(base);
  await learnHost(home, "x.elsewhere.test", OTHER);
  await learnHost(home, "gone.pods.test", OTHER);
  await writeSshConfig(home, given());
  expect(readFileSync(join(base, "known_hosts"), "utf8")).toBe(`x.elsewhere.test ${OTHER}\n${HOST} ${KEY}\n`);
});

test("T-14 a key that is learned again replaces the old one", async () => {
  const home = homeAt(base);
  expect(knownHost(home, HOST)).toBeUndefined();
  await learnHost(home, HOST, KEY);
  await learnHost(home, `2${HOST}`, KEY);
  await learnHost(home, HOST, OTHER);
  expect(knownHost(home, HOST)).toBe(OTHER);
  expect(knownHost(home, `2${HOST}`)).toBe(KEY);
});

test.each([
  ["two lines", `${KEY}\n* ${OTHER}`],
  ["a comment behind it", `${KEY} me@home`],
  ["nothing", ""],
])("T-14 a host key with %s is refused", async (_, key) => {
  await expect(learnHost(homeAt(base), HOST, key)).rejects.toThrow(/the host key .* is not one/);
  expect(knownHost(homeAt(base), HOST)).toBeUndefined();
});

test("fifty hosts learned at once are all there", async () => {
  const home = homeAt(base);
  const hosts = Array.from({ length: 50 }, (_, i) => `h${i}.pods.test`);
  await Promise.all(hosts.map((host) => learnHost(home, host, KEY)));
  const lines = readFileSync(join(base, "known_hosts"), "utf8").trim().split("\n");
  expect(lines.sort()).toEqual(hosts.map((host) => `${host} ${KEY}`).sort());
  expect(readdirSync(base)).toEqual(["known_hosts"]);
});

test("a lock whose owner died long ago is taken over; a write that fails leaves nothing behind", async () => {
  const file = join(base, "known_hosts");
  const lock = `${file}.lock`;
  writeFileSync(lock, "");
  execFileSync("touch", ["-d", "1 hour ago", lock]);
  expect(await whileLocked(file, async () => "mine")).toBe("mine");
  mkdirSync(join(base, "taken", "full"), { recursive: true });
  expect(() => writeOwnFile(join(base, "taken"), "text")).toThrow();
  expect(readdirSync(base)).toEqual(["taken"]);
});

test("on Windows paths are quoted with forward slashes, cmd.exe's quotes are used, and no connection is shared", async () => {
  const windows = given({
    node: "C:\\Program Files\\nodejs\\node.exe",
    proxyScript: "C:\\Users\\Ada L\\gpu-dev\\bin\\gpu-dev-ssh-proxy.js",
    env: { GPU_DEV_HOME: "C:\\gd" },
  });
  await writeSshConfig(homeAt(base), windows, "win32");
  const text = readFileSync(join(base, "ssh_config"), "utf8");
  expect(text).toContain(
    '  ProxyCommand "C:/Program Files/nodejs/node.exe" "C:/Users/Ada L/gpu-dev/bin/gpu-dev-ssh-proxy.js" --context local --domain pods.test --home C:/gd -- "%h" %p\n',
  );
  expect(text).not.toContain("\\");
  expect(text).not.toContain("Control");
  // A real ssh reads it.
  expect(understood(base, `gpu-dev-${ID.slice(0, 8)}`).hostname).toBe(HOST);
});
