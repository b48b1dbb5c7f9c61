/**
 * Does all set-up for a fresh clone and then one job: `node scripts/setup.js [demo|test|soak|bench]`.
 * It runs on any Node from 20 on and without packages; what comes after runs on the pinned Node 24.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const stamp = join(root, "node_modules", ".gpu-dev-setup");

/** A program that a job needs, where Debian keeps it beside the PATH, and the package that brings it. */
const NEEDS = {
  sshd: { package: "openssh-server", paths: ["/usr/sbin/sshd"] },
  ssh: { package: "openssh-client" },
  unshare: { package: "util-linux" },
  git: { package: "git" },
  rsync: { package: "rsync" },
  socat: { package: "socat" },
  tmux: { package: "tmux" },
  openssl: { package: "openssl" },
  ip: { package: "iproute2" },
  python3: { package: "python3" },
  zsh: { package: "zsh" },
  fish: { package: "fish" },
  "systemd-analyze": { package: "systemd" },
  promtool: { package: "prometheus" },
  dockerd: { package: "docker.io" },
  docker: { package: "docker.io" },
  "docker-registry": { package: "docker-registry" },
  iptables: { package: "iptables" },
  busybox: { package: "busybox-static" },
  podman: { package: "podman" },
  postgres: { package: "postgresql", paths: ["/usr/lib/postgresql"] },
};
const JOBS = {
  setup: { needs: ["ssh", "sshd"] },
  demo: { needs: ["ssh", "sshd"], script: "scripts/demo.ts" },
  test: { needs: Object.keys(NEEDS), script: "scripts/test.ts" },
  soak: { needs: Object.keys(NEEDS), script: "scripts/soak.ts" },
  bench: {
    needs: ["ssh", "sshd", "socat", "ip", "dockerd", "docker", "iptables", "busybox"],
    script: "bench/all.ts",
  },
};

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { cwd: root, encoding: "utf8", ...options });
  if (done.error) fail(`${command} could not be started: ${done.error.message}`);
  return done;
}

/** Runs a step without its output, which is shown only when it fails. */
function step(title, command, args, options = {}) {
  const started = Date.now();
  process.stderr.write(`setup: ${title} … `);
  const done = run(command, args, options);
  if (done.status !== 0) fail(`failed\n${done.stdout}${done.stderr}`);
  process.stderr.write(`${((Date.now() - started) / 1000).toFixed(1)} s\n`);
}

const lockHash = () =>
  createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");

/**
 * npm packages as locked. Not `npm ci`: it refuses a lock file that lacks the optional binaries of other platforms.
 * Install scripts stay off but for the pinned Node: better-sqlite3 brings its binary prebuilt.
 */
function installPackages() {
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lockHash() && existsSync(join(bin, "node")))
    return;
  step("npm packages", "npm", ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"]);
  const node = join(root, "node_modules", "node");
  step("Node 24", process.execPath, ["installArchSpecificPackage"], { cwd: node });
  link(join("..", "node", "bin", "node"), join(bin, "node"));
  writeFileSync(stamp, lockHash());
}

/** `npx gpu-dev` finds the command of this very clone. */
function linkCommand() {
  link(join("..", "..", "bin", "gpu-dev.js"), join(bin, "gpu-dev"));
}

function link(target, at) {
  if (existsSync(at) && isLinkTo(at, target)) return;
  rmSync(at, { force: true });
  symlinkSync(target, at);
}

function isLinkTo(at, target) {
  try {
    return readlinkSync(at) === target;
  } catch (error) {
    if (error.code === "EINVAL") return false;
    throw error;
  }
}

function onPath(command) {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .concat("/usr/sbin", "/sbin")
    .some((folder) => existsSync(join(folder, command)));
}

/** System packages by apt where that may be done here; else the one command to type. */
function installSystemPackages(needs) {
  const missing = needs
    .filter((name) => !onPath(name) && !(NEEDS[name].paths ?? []).some((path) => existsSync(path)))
    .map((name) => NEEDS[name].package);
  if (missing.length === 0) return;
  const list = missing.join(" ");
  const may = process.platform === "linux" && process.getuid?.() === 0 && onPath("apt-get");
  if (!may)
    fail(`Missing programs. Install them, then run this again:\n\n    sudo apt-get install ${list}\n`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  step("package lists", "apt-get", ["update", "-q"], { env });
  const args = ["install", "-q", "-y", "--no-install-recommends", ...missing];
  step(`system packages (${list})`, "apt-get", args, { env });
}

function build(env) {
  const done = run(join(bin, "node"), ["scripts/build.ts"], { env });
  if (done.status !== 0) fail(`The build failed.\n${done.stdout}${done.stderr}`);
}

function main(name = "setup", ...args) {
  const job = JOBS[name];
  if (!job) fail(`Unknown job "${name}". Known: ${Object.keys(JOBS).join(", ")}.`);
  installSystemPackages(job.needs);
  installPackages();
  linkCommand();
  const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
  build(env);
  if (!job.script) return;
  const done = run(join(bin, "node"), [job.script, ...args], { env, stdio: "inherit" });
  process.exitCode = done.status ?? 1;
}

main(...process.argv.slice(2));
