import { execFileSync, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { complete } from "../../src/cli/completion/complete.ts";
import { availability, page, reservation } from "./helpers/fake-server.ts";
import { createWorld } from "./helpers/world.ts";

const root = join(import.meta.dirname, "..", "..");
const completions = join(root, "completions");
let home: string;
let env: NodeJS.ProcessEnv;

/** What `gpu-dev` on the PATH of the shell is: the real answer of `__complete`, and a failure for anything else. */
const COMMAND = `#!/bin/sh
[ "$1" = __complete ] || { echo "asked for $*" >&2; exit 1; }
exec "${process.execPath}" --input-type=module -e '
import { complete } from "${join(root, "src", "cli", "completion", "complete.ts")}";
process.stdout.write(complete(process.argv[1], process.env, "/nonexistent"));' "$2"
`;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "gd-complete-"));
  writeFileSync(join(home, "gpu-dev"), COMMAND);
  chmodSync(join(home, "gpu-dev"), 0o755);
  writeFileSync(
    join(home, "completion.json"),
    '{"reservations":["hello","train"],"gpuTypes":["cpu","h100"],"disks":["data","home"],"nodes":["gpu-host-1","gpu-host-2"],"nodeLabels":["example.com/rack=r1","zone=a","zone=b"]}',
  );
  env = { PATH: `${home}${delimiter}${process.env.PATH}`, HOME: home, GPU_DEV_HOME: home, TERM: "dumb" };
  return () => rmSync(home, { recursive: true, force: true });
});

/** What bash offers at the end of the line, whose words it parts at "=", too; its stderr must be empty. */
function offeredByBash(line: string): string[] {
  const script = `source "$1"; COMP_LINE=$2; read -ra COMP_WORDS <<<"\${2//=/ = }"
[[ $2 == *' ' ]] && COMP_WORDS+=('')
COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
_gpu_dev gpu-dev "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\\n' "\${COMPREPLY[@]}"`;
  const done = spawnSync("bash", ["--norc", "-c", script, "bash", join(completions, "gpu-dev.bash"), line], {
    env,
    encoding: "utf8",
  });
  expect(done.stderr).toBe("");
  return done.stdout.split("\n").filter(Boolean);
}

const offeredByFish = (line: string): string[] => {
  const script = `source ${join(completions, "gpu-dev.fish")}; complete -C ${JSON.stringify(line)}`;
  const done = spawnSync("fish", ["--no-config", "-c", script], { env, encoding: "utf8" });
  expect(done.stderr).toBe("");
  return done.stdout.split("\n").flatMap((offer) => offer.split("\t")[0] || []);
};

const LINES: [string, string[]][] = [
  ["gpu-dev reser", ["reserve"]],
  ["gpu-dev disk l", ["list"]],
  ["gpu-dev disk show ", ["data", "home"]],
  ["gpu-dev reserve --disk h", ["home"]],
  ["gpu-dev ssh-config ", ["install", "remove", "show"]],
  ["gpu-dev reserve --g", ["--gpu-type", "--gpus"]],
  ["gpu-dev reserve --gpu-type ", ["cpu", "h100"]],
  ["gpu-dev reserve -t h", ["h100"]],
  ["gpu-dev show ", ["hello", "train"]],
  ["gpu-dev rm tr", ["train"]],
  ["gpu-dev --context lab connect h", ["hello"]],
  ["gpu-dev list --state a", ["active"]],
  ["gpu-dev completion f", ["fish"]],
  ["gpu-dev admin nodes ", ["cordon", "drain", "forget", "list", "uncordon"]],
  ["gpu-dev admin nodes cordon ", ["gpu-host-1", "gpu-host-2"]],
  ["gpu-dev admin nodes uncordon gpu-host-2", ["gpu-host-2"]],
  ["gpu-dev reserve --node-label zo", ["zone=a", "zone=b"]],
  ["gpu-dev reserve --node-label ex", ["example.com/rack=r1"]],
  ["gpu-dev nope ", []],
  ["gpu-dev connect hello -- ", []],
];

describe("C-23 bash offers commands, flags and live names", () => {
  test.each(LINES)("C-23 %j", (line, offers) => {
    const got = offeredByBash(line).sort();
    if (line.includes("nope")) expect(got).not.toContain("hello");
    else expect(got).toEqual(offers);
  });
});

test.each([
  ["gpu-dev reserve --node-label zone=", ["a", "b"]],
  ["gpu-dev reserve --node-label zone=b", ["b"]],
  ["gpu-dev reserve --gpu-type h100 --node-label example.com/rack=", ["r1"]],
  ["gpu-dev reserve --gpu-type=h", ["h100"]],
  ["gpu-dev disk create home --snapshots every=", ["6h"]],
  ["gpu-dev reserve --node-label moon=", []],
])("C-23 bash offers what stands behind =: %j", (line, offers) => {
  expect(offeredByBash(line)).toEqual(offers);
});

const hasFish = spawnSync("fish", ["--version"]).status === 0;
const hasZsh = spawnSync("zsh", ["--version"]).status === 0;

describe.skipIf(!hasFish)("C-23 fish offers the same", () => {
  test.each(LINES.slice(0, 18))("C-23 %j", (line, offers) => {
    expect(offeredByFish(line).sort()).toEqual(offers);
  });
});

test.skipIf(!hasZsh)("C-23 zsh accepts the function file", () => {
  const script = `autoload -Uz compinit; compinit -D -u; source ${join(completions, "_gpu-dev")}; whence -w _gpu_dev_reserve; print $_comps[gpu-dev]`;
  const done = spawnSync("zsh", ["-f", "-c", script], { env, encoding: "utf8" });
  expect(done).toMatchObject({ stderr: "", stdout: "_gpu_dev_reserve: function\n_gpu_dev\n" });
});

test("C-23 every script is a valid one for its shell", () => {
  execFileSync("bash", ["-n", join(completions, "gpu-dev.bash")]);
  if (hasZsh) execFileSync("zsh", ["-n", join(completions, "_gpu-dev")]);
  if (hasFish) execFileSync("fish", ["-n", join(completions, "gpu-dev.fish")]);
});

describe("C-23 live names come from the cache alone and are never an error", () => {
  test("C-23 without a cache, or with a damaged one, there are none", () => {
    const dir = mkdtempSync(join(tmpdir(), "gd-cache-"));
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
    const at = { GPU_DEV_HOME: dir };
    expect(complete("reservations", at, "/")).toBe("");
    for (const damaged of [
      "",
      "{",
      "null",
      "[]",
      '{"reservations":5}',
      '{"reservations":[{"a":1},"$(rm -rf x)","a b"]}',
    ]) {
      writeFileSync(join(dir, "completion.json"), damaged);
      expect(complete("reservations", at, "/")).toBe("");
    }
    rmSync(join(dir, "completion.json"));
    mkdirSync(join(dir, "completion.json"));
    expect(complete("gpu-types", at, "/")).toBe("");
    expect(complete(undefined, at, "/")).toBe("");
  });

  test("C-23 list and avail leave the names there", async () => {
    const world = createWorld({
      handlers: {
        listReservations: () => page(reservation()),
        listAvailability: () => page(availability({ node_labels: { zone: ["a", "b"] } })),
      },
    });
    await world.gpuDev("list");
    await world.gpuDev("avail");
    expect(complete("reservations", world.env, "/")).toBe("hello\n");
    expect(complete("gpu-types", world.env, "/")).toBe("h100\n");
    expect(complete("node-labels", world.env, "/")).toBe("zone=a\nzone=b\n");
  });
});

test("C-23 names that cannot be kept fail no command", async () => {
  const world = createWorld({ handlers: { listAvailability: () => page() } });
  mkdirSync(join(world.home, "gd", "completion.json", "x"), { recursive: true });
  expect(await world.gpuDev("avail")).toMatchObject({ code: 0, stdout: "" });
});

test.each(["bash", "zsh", "fish"])("completion %s prints the script", async (shell) => {
  const file = { bash: "gpu-dev.bash", zsh: "_gpu-dev", fish: "gpu-dev.fish" }[shell] ?? "";
  const done = await createWorld().gpuDev(`completion ${shell}`);
  expect(done).toEqual({ code: 0, stderr: "", stdout: readFileSync(join(completions, file), "utf8") });
});

describe("completion --install", () => {
  const files = {
    bash: ".bashrc",
    zsh: ".zshrc",
    fish: join(".config", "fish", "completions", "gpu-dev.fish"),
  };

  test.each(Object.entries(files))(
    "C-22 %s: one line, last, after consent, once, and taken out again",
    async (shell, name) => {
      const world = createWorld();
      const file = join(world.home, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, "# mine, without an end of line");
      expect(await world.gpuDev(`completion ${shell} --install`)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining("--yes is missing"),
      });
      expect((await world.gpuDev(`completion ${shell} --install -y`)).code).toBe(0);
      const text = readFileSync(file, "utf8");
      expect(text).toMatch(/^# mine, without an end of line\n[^\n]+\n$/);
      expect((await world.gpuDev(`completion ${shell} --install -y`)).stderr).toContain("has it already");
      expect(readFileSync(file, "utf8")).toBe(text);
      expect((await world.gpuDev(`completion ${shell} --uninstall`)).code).toBe(0);
      expect(readFileSync(file, "utf8")).toBe("# mine, without an end of line\n");
      expect((await world.gpuDev(`completion ${shell} --uninstall`)).stderr).toContain("has no line of ours");
    },
  );

  test("C-23 a new bash completes after it", async () => {
    const world = createWorld();
    await world.gpuDev("completion bash --install -y");
    const script =
      'COMP_WORDS=(gpu-dev reser); COMP_CWORD=1; _gpu_dev gpu-dev reser; printf "%s" "$COMPREPLY"';
    const done = spawnSync("bash", ["--rcfile", join(world.home, ".bashrc"), "-i", "-c", script], {
      env,
      encoding: "utf8",
    });
    expect(done.stdout).toBe("reserve");
  });

  test.skipIf(!hasZsh)(
    "C-23 a new zsh completes after it, also one that has set up no completions",
    async () => {
      const world = createWorld();
      await world.gpuDev("completion zsh --install -y");
      const done = spawnSync("zsh", ["-i", "-c", "print $_comps[gpu-dev]"], {
        env: { ...env, ZDOTDIR: world.home },
        encoding: "utf8",
      });
      expect(done).toMatchObject({ stdout: "_gpu_dev\n", stderr: "" });
    },
  );

  test.skipIf(!hasFish)("C-23 a new fish completes after it", async () => {
    const world = createWorld();
    await world.gpuDev("completion fish --install -y");
    const done = spawnSync("fish", ["-c", 'complete -C "gpu-dev reser"'], {
      env: { ...env, HOME: world.home },
      encoding: "utf8",
    });
    expect(done.stdout).toMatch(/^reserve\t/);
  });
});
