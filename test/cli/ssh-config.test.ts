import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Declined } from "../../src/cli/errors.ts";
import { page, reservation } from "./helpers/fake-server.ts";
import { createWorld, type World, type WorldOptions } from "./helpers/world.ts";

const LINE = "Include ~/gd/ssh_config";

function createSshWorld(
  options: WorldOptions = {},
): World & { file: string; text(): string; mode(): number } {
  const world = createWorld({ handlers: { listReservations: () => page(reservation()) }, ...options });
  const file = join(world.home, ".ssh", "config");
  return Object.assign(world, {
    file,
    text: () => readFileSync(file, "utf8"),
    mode: () => statSync(file).mode & 0o777,
  });
}

function withConfig(text: string, mode = 0o600): ReturnType<typeof createSshWorld> {
  const world = createSshWorld();
  mkdirSync(join(world.home, ".ssh"));
  writeFileSync(world.file, text);
  chmodSync(world.file, mode);
  return world;
}

describe("C-22 install and remove", () => {
  test("C-22 a missing file is made with mode 0600 in a directory of mode 0700", async () => {
    const world = createSshWorld();
    expect((await world.gpuDev("ssh-config install --yes")).code).toBe(0);
    expect(world.text()).toBe(`${LINE}\n`);
    expect(world.mode()).toBe(0o600);
    expect(statSync(join(world.home, ".ssh")).mode & 0o777).toBe(0o700);
    expect(readFileSync(join(world.home, "gd", "ssh_config"), "utf8")).toContain("gpu-dev-abcdefgh");
  });

  test.each(["Host a\n  Port 1\n", "Host a\r\n  Port 1\r\n", "# no end of line", "\n\n"])(
    "C-22 the line comes first, once, and removing it gives the same bytes back (%j)",
    async (before) => {
      const world = withConfig(before, 0o640);
      await world.gpuDev("ssh-config install -y");
      const again = await world.gpuDev("ssh-config install -y");
      expect(world.text()).toBe(`${LINE}\n${before}`);
      expect(again.stderr).toContain("has it already");
      expect(world.mode()).toBe(0o640);
      expect((await world.gpuDev("ssh-config remove")).code).toBe(0);
      expect(world.text()).toBe(before);
      expect(world.mode()).toBe(0o640);
      expect(readdirSync(join(world.home, ".ssh"))).toEqual(["config"]);
    },
  );

  test("C-22 a line that the user moved is kept where it is, and found for removal", async () => {
    const world = withConfig(`Host a\n  Port 1\nMatch all\n  ${LINE}\n`);
    await world.gpuDev("ssh-config install -y");
    expect(world.text()).toBe(`Host a\n  Port 1\nMatch all\n  ${LINE}\n`);
    await world.gpuDev("ssh-config remove");
    expect(world.text()).toBe("Host a\n  Port 1\nMatch all\n");
  });

  test.each([true, false])(
    "C-22 a symbolic link stays one, its target changes (target there: %s)",
    async (there) => {
      const world = createSshWorld();
      mkdirSync(join(world.home, ".ssh"));
      mkdirSync(join(world.home, "dotfiles"));
      const target = join(world.home, "dotfiles", "ssh");
      if (there) writeFileSync(target, "Host a\n");
      symlinkSync("../dotfiles/ssh", world.file);
      await world.gpuDev("ssh-config install -y");
      expect(lstatSync(world.file).isSymbolicLink()).toBe(true);
      expect(readFileSync(target, "utf8")).toBe(`${LINE}\n${there ? "Host a\n" : ""}`);
    },
  );

  test("C-22 remove without a line or a file changes nothing", async () => {
    const world = createSshWorld();
    const done = await world.gpuDev("ssh-config remove");
    expect(done).toMatchObject({ code: 0, stdout: "" });
    expect(readdirSync(world.home)).not.toContain(".ssh");
  });

  test("C-22 C-18 without a terminal consent is a flag", async () => {
    const world = createSshWorld();
    const done = await world.gpuDev("ssh-config install");
    expect(done.code).toBe(2);
    expect(done.stderr).toContain("--yes is missing\nIt answers: Add one line to ");
    expect(done.stderr).toContain(LINE);
    expect(readdirSync(world.home)).not.toContain(".ssh");
  });

  test.each([false, new Declined()])(
    "C-22 C-17 a no on a terminal changes nothing, exit 3",
    async (answer) => {
      const world = createSshWorld({ terminal: true, answers: [answer] });
      expect((await world.gpuDev("ssh-config install")).code).toBe(3);
      expect(world.asked).toHaveLength(1);
      expect(readdirSync(world.home)).not.toContain(".ssh");
    },
  );

  test("C-22 a yes on a terminal adds the line", async () => {
    const world = createSshWorld({ terminal: true, answers: [true] });
    expect((await world.gpuDev("ssh-config install")).code).toBe(0);
    expect(world.text()).toBe(`${LINE}\n`);
  });
});

test("a path with blanks is quoted", async () => {
  const world = createSshWorld();
  world.env.GPU_DEV_HOME = join(world.home, "my files");
  await world.gpuDev("ssh-config install -y");
  expect(world.text()).toBe('Include "~/my files/ssh_config"\n');
});

test("our own configuration follows the live reservations, and failing to write it fails no command", async () => {
  const world = createSshWorld();
  await world.gpuDev("list");
  const file = join(world.home, "gd", "ssh_config");
  expect(readFileSync(file, "utf8")).toContain("Host gpu-dev-abcdefgh hello");
  world.server.handlers = {
    listReservations: () => page(),
    getDeployment: () => ({ id: "d", version: "1.0.0", min_cli: "0.1.0", domain: "gpu-dev.internal" }),
  };
  await world.gpuDev("list");
  expect(readFileSync(file, "utf8")).not.toContain("Host gpu-dev-abcdefgh");
  world.env.GPU_DEV_HOME = join(world.home, "blocked");
  mkdirSync(join(world.home, "blocked", "ssh_config", "x"), { recursive: true });
  world.server.handlers = { listReservations: () => page(reservation()) };
  const done = await world.gpuDev("list");
  expect(done.code).toBe(0);
  expect(done.stdout).toContain("hello");
  expect(done.stderr).toContain("could not be brought up to date");
});

test.each([
  { name: "x\n  ProxyCommand touch /tmp/owned" },
  { ssh_host: "h\nHost *\n  ProxyCommand id" },
  { ssh_user: "dev\n  LocalCommand id" },
  { host_key: "ssh-ed25519 AAAA\n* ssh-ed25519 BBBB" },
])("X-03 a server cannot write lines of its own into ssh_config or known_hosts (%j)", async (hostile) => {
  const world = createSshWorld();
  const good = reservation({
    id: "zbcdefghijklmnopqrst",
    name: "good",
    ssh_host: "zbcdefghijklmnopqrst.gpu-dev.internal",
  });
  world.server.handlers = { listReservations: () => page({ ...reservation(), ...hostile }, good) };
  const done = await world.gpuDev("list");
  expect(done.code).toBe(0);
  expect(done.stderr).toContain('ssh is not told of the reservation "abcdefghijklmnopqrst"');
  // The others are none the worse for it (C-15).
  for (const file of ["ssh_config", "known_hosts"]) {
    const text = readFileSync(join(world.home, "gd", file), "utf8");
    expect(text).toContain(good.id);
    expect(text).not.toMatch(/abcdefgh|ProxyCommand (touch|id)|LocalCommand|BBBB/);
  }
});

test("C-22 --dry-run says what would be done, and changes nothing", async () => {
  const world = createSshWorld();
  const planned = await world.gpuDev("ssh-config install --dry-run");
  expect(planned).toMatchObject({
    code: 0,
    stdout: `${LINE}\n`,
    stderr: expect.stringContaining("Would be added"),
  });
  expect(existsSync(world.file)).toBe(false);
  await world.gpuDev("ssh-config install -y");
  expect((await world.gpuDev("ssh-config install --dry-run")).stderr).toContain("has it already");
  expect((await world.gpuDev("ssh-config remove --dry-run")).stderr).toContain("Would be taken out");
  expect(world.text()).toBe(`${LINE}\n`);
});

test("C-22 --file names the configuration of an editor that reads another one", async () => {
  const world = createSshWorld();
  expect((await world.gpuDev("ssh-config install -y --file ~/editor-ssh")).code).toBe(0);
  expect(readFileSync(join(world.home, "editor-ssh"), "utf8")).toBe(`${LINE}\n`);
  expect(existsSync(world.file)).toBe(false);
  expect((await world.gpuDev("ssh-config remove --file ~/editor-ssh")).stdout).toBe(`${LINE}\n`);
  expect(readFileSync(join(world.home, "editor-ssh"), "utf8")).toBe("");
});
