import { describe, expect, test } from "vitest";
import { catalogue, names } from "../../src/cli/catalogue.ts";
import { createWorld } from "./helpers/world.ts";

const paths = catalogue.flatMap(names);

describe("C-19 help", () => {
  test.each(paths)("C-19 %s has -h, --help and examples, without any server", async (path) => {
    for (const asked of [`${path} --help`, `${path} -h`, `help ${path}`]) {
      const done = await createWorld({ env: { GPU_DEV_URL: "" } }).gpuDev(asked);
      expect(done).toMatchObject({ code: 0, stderr: "" });
      expect(done.stdout).toMatch(/^Usage: gpu-dev /);
      expect(done.stdout).toMatch(/Examples:\n {2}\S/);
      expect(done.stdout).toContain("--json");
    }
  });

  test.each([60, 80])("C-13 help of reserve is wrapped between words at %d columns", async (columns) => {
    const { stdout } = await createWorld({ terminal: true, columns }).gpuDev("reserve --help");
    const [help = ""] = stdout.split("\nExamples:");
    for (const line of help.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
    expect(help.replaceAll(/\s+/g, " ")).toContain("Ctrl-C at a question changes nothing (exit 3).");
  });

  test.each(["", "--help", "help"])("C-19 `gpu-dev %s` lists every command in its group", async (line) => {
    const done = await createWorld().gpuDev(line);
    expect(done.code).toBe(0);
    for (const { path } of catalogue) expect(done.stdout).toContain(`  ${path.split(" ")[0]}`);
    expect(done.stdout.indexOf("Reservations:")).toBeLessThan(done.stdout.indexOf("Set-up:"));
  });

  test("C-19 a topic alone prints the commands that it has", async () => {
    const done = await createWorld().gpuDev("ssh-config");
    expect(done.code).toBe(0);
    expect(done.stdout).toMatch(/Commands:\n {2}install/);
  });
});

test.each([
  ["lst", "Unknown command 'lst'", "list"],
  ["reserv", "Unknown command 'reserv'", "reserve"],
  ["disk lst", "Unknown command 'lst'", "list"],
  ["list --stat", "Unknown option '--stat'", "--state"],
  ["reserve --gpu_type cpu", "Unknown option '--gpu_type'", "--gpu-type"],
  ["list --jsno", "Unknown option '--jsno'", "--json"],
  ["list --state actve", "is none of queued", "Did you mean active?"],
  ["reserve --priority hihg", "is none of low", "Did you mean high?"],
])("C-19 `gpu-dev %s` is answered with what was meant, exit 2", async (line, words, meant) => {
  const done = await createWorld().gpuDev(line);
  expect(done).toMatchObject({ code: 2, stdout: "" });
  expect(done.stderr).toContain(words);
  expect(done.stderr).toContain(meant);
});

describe("C-02 a line that cannot be carried out is exit 2 with the reason", () => {
  test.each([
    ["show", "missing required argument"],
    ["list extra", "Too many arguments"],
    ["list --state", "argument missing"],
    ["list --state gone", "is none of queued, preparing"],
    ["reserve --entrypoint run", 'error: --entrypoint: "run" is not keep\n'],
    ["reserve --gpus two", "--gpus"],
    ["disk create home --size 100", "is not a size"],
    ["disk create Home", "cannot be a name"],
    ["disk create home --snapshots hourly", "is none of on-end, every=6h or never"],
    ["disk restore home", "--from is missing"],
    ["disk edit home", "Nothing to change"],
    ["disk unlock home", "is no id"],
    ["reserve --name Hello", 'Try "hello"'],
    ["edit hello", "give --name, --extend, --webhook, --add-user or --remove-user"],
    ["server --listen nowhere", "is not HOST:PORT"],
    ["server --listen 127.0.0.1:99999", "is not HOST:PORT"],
    ["server --simulate h100", "is not TYPE:COUNT"],
    ["server --simulate h100:0", "is not TYPE:COUNT"],
    ["server --simulate H100:1", "is not TYPE:COUNT"],
    ["server --database mysql://u:secretpw@h/d", "is not a postgres:// URL"],
    ["server --database postgres://u:secretpw@h/d", "which everybody on this machine could read"],
    ["server --log-level loud", "is none of trace"],
    ["server --isolation none", "is none of auto"],
    ["server --domain -x", "is not a domain name"],
    ["completion tcsh", "has no completions"],
    ["connect hello --json", "connect --json needs a command after `--`"],
  ])("C-02 gpu-dev %s", async (line, words) => {
    const done = await createWorld().gpuDev(line);
    expect(done.code).toBe(2);
    expect(done.stdout + done.stderr).toMatch(new RegExp(words.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "i"));
    expect(done.stderr).not.toContain("secretpw");
  });

  test("C-05 a bare number is refused with the accepted forms, by the name of the flag", async () => {
    for (const line of ["reserve --time 90", "reserve --timeout 90", "edit hello --extend 90"]) {
      const done = await createWorld().gpuDev(line);
      expect(done.code).toBe(2);
      expect(done.stderr).toMatch(
        /--(time|timeout|extend): "90" has no unit; write 90m, 1h30m, 8h, 2d, 0.5h or h:mm/,
      );
    }
    expect((await createWorld().gpuDev("edit hello --extend 0m")).stderr).toContain("must be more than 0");
  });
});

test.each([
  "lst --json",
  "--json",
  "list --json --state gone",
  "--json disk",
  "show --json",
  "reserve --json --time 5",
])("C-01 a usage error of `gpu-dev %s` is one JSON document on stdout", async (line) => {
  const done = await createWorld().gpuDev(line);
  expect(done).toMatchObject({ code: 2, stderr: "" });
  expect(JSON.parse(done.stdout)).toMatchObject({
    code: "usage",
    detail: expect.any(String),
    retryable: false,
  });
});

test("--json belongs to the command that runs in the pod after --", async () => {
  const done = await createWorld().gpuDev("nope -- --json");
  expect(done.stdout).toBe("");
  expect(done.stderr).toContain("Unknown command 'nope'");
});

test("--version prints the version alone", async () => {
  expect((await createWorld().gpuDev("--version")).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
