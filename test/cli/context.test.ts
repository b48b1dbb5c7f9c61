/** What a build is sent. */
import {
  createReadStream,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { expect, onTestFinished, test } from "vitest";
import { packContext } from "../../src/cli/images/context.ts";

const MOST = 2 ** 20;

function directory(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(tmpdir(), "gd-context-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(dir, path, ".."), { recursive: true });
    writeFileSync(join(dir, path), text);
  }
  return dir;
}

async function pack(dockerfile: string, dir?: string, most = MOST) {
  const packed = await packContext(dockerfile, dir, most);
  onTestFinished(() => packed.remove());
  const entries = new Map<string, string>();
  const tar = extract();
  tar.on("entry", ({ name, type, linkname }, content, next) => {
    const parts: Buffer[] = [];
    content.on("data", (part: Buffer) => parts.push(part));
    content.on("end", () => {
      entries.set(name, type === "symlink" ? `-> ${linkname}` : Buffer.concat(parts).toString());
      next();
    });
  });
  await pipeline(createReadStream(packed.file), tar);
  return { ...packed, entries };
}

test("a directory is sent without what .dockerignore names, and with its exceptions", async () => {
  const dir = directory({
    Dockerfile: "FROM scratch",
    ".dockerignore": "# all of it\nnode_modules\n*.log\n!keep.log\ndata/*\n!data/small\n",
    "src/main.py": "print()",
    "node_modules/a/index.js": "x",
    "a.log": "x",
    "keep.log": "kept",
    "data/large/file": "x",
    "data/small/file": "s",
  });
  const { entries, dockerfile } = await pack(join(dir, "Dockerfile"));
  expect(dockerfile).toBe("Dockerfile");
  expect([...entries.keys()]).toEqual([
    ".dockerignore",
    "Dockerfile",
    "data",
    "data/small",
    "data/small/file",
    "keep.log",
    "src",
    "src/main.py",
  ]);
});

test("the Dockerfile goes along whatever is left out, and from elsewhere under a name of its own", async () => {
  const dir = directory({ "app/file": "f", "app/.dockerignore": "*", "docker/own.Dockerfile": "FROM own" });
  const packed = await pack(join(dir, "docker", "own.Dockerfile"), join(dir, "app"));
  expect(packed.dockerfile).toBe(".gpu-dev.Dockerfile");
  expect([...packed.entries]).toEqual([[".gpu-dev.Dockerfile", "FROM own"]]);
});

test("a Dockerfile that is a link goes by the name of what it leads to", async () => {
  const dir = directory({ "docker/gpu.Dockerfile": "FROM gpu" });
  symlinkSync("docker/gpu.Dockerfile", join(dir, "Dockerfile"));
  expect((await pack(join(dir, "Dockerfile"))).dockerfile).toBe("docker/gpu.Dockerfile");
});

test("the same contents are the same file, whenever they were written", async () => {
  const files = { Dockerfile: "FROM scratch", "b/c": "1", a: "2" };
  const [one, two] = [directory(files), directory(files)];
  utimesSync(join(two, "a"), new Date(0), new Date(0));
  const digests = await Promise.all(
    [one, two].map(async (dir) => (await pack(join(dir, "Dockerfile"))).digest),
  );
  expect(digests[0]).toBe(digests[1]);
  writeFileSync(join(two, "a"), "3");
  expect((await pack(join(two, "Dockerfile"))).digest).not.toBe(digests[0]);
});

test("X-08 a link stays a link: nothing outside of the directory is read", async () => {
  const dir = directory({ Dockerfile: "FROM scratch" });
  symlinkSync("/etc", join(dir, "outside"));
  const { entries } = await pack(join(dir, "Dockerfile"));
  expect([...entries]).toEqual([
    ["Dockerfile", "FROM scratch"],
    ["outside", "-> /etc"],
  ]);
});

test("too much, and what is not there, is told with what to do, and leaves nothing in the way", async () => {
  const dir = directory({ Dockerfile: "FROM scratch", large: "x".repeat(20_000) });
  await expect(pack(join(dir, "Dockerfile"), undefined, 10_000)).rejects.toThrow(/more than 10K, the most/);
  await expect(pack(join(dir, "none"))).rejects.toThrow(
    /--dockerfile .*none cannot be read: it is not there/,
  );
  await expect(pack(join(dir, "Dockerfile"), join(dir, "none"))).rejects.toThrow(
    /--build-context .*: it is not there/,
  );
  await expect(pack(dir)).rejects.toThrow(/is not a file/);
});
