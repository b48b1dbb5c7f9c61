/** Images made of the programs of this machine, imported without a network. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { EngineProcess } from "./engine-process.ts";

/**
 * - `sshd`: as most images for people: sshd, bash, git, and busybox for the rest; root.
 * - `busybox`: a static busybox, no bash, no sshd; root.
 * - `helper`: sshd with Node, and what pods and disks need besides; root.
 * - `distroless`: one static program, no shell; user 65532, who has no home directory.
 */
export type ImageKind = "sshd" | "helper" | "busybox" | "distroless";

const KINDS: Record<ImageKind, { fill(root: string): void; changes: readonly string[] }> = {
  sshd: { fill: withSshd, changes: ['CMD ["/bin/bash"]', "ENV PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin"] },
  // As an image that is made for something else.
  helper: { fill: withHelpers, changes: ['ENTRYPOINT ["/bin/false"]', "USER 65532:65532", "VOLUME /data"] },
  busybox: { fill: withBusybox, changes: ['CMD ["sh"]'] },
  distroless: {
    fill: withOneProgram,
    changes: ["USER 65532:65532", 'ENTRYPOINT ["/app/busybox", "sleep", "100000"]', "WORKDIR /app"],
  },
};

/** The image's name in this engine, which has it from then on. */
export async function importImage(engine: EngineProcess, kind: ImageKind): Promise<string> {
  const name = `gpu-dev-test/${kind}:1`;
  if ((await engine.docker("images", "--quiet", name)) !== "") return name;
  const root = mkdtempSync(join(tmpdir(), "gpu-dev-image-"));
  chmodSync(root, 0o755);
  try {
    KINDS[kind].fill(root);
    await importTree(engine, root, name, KINDS[kind].changes);
  } finally {
    rmSync(root, { recursive: true });
  }
  return name;
}

async function importTree(
  engine: EngineProcess,
  root: string,
  name: string,
  changes: readonly string[],
): Promise<void> {
  const tar = spawn("tar", ["-C", root, "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const words = [
    "--host",
    engine.url,
    "import",
    ...changes.flatMap((change) => ["--change", change]),
    "-",
    name,
  ];
  const docker = spawn("docker", words, { stdio: [tar.stdout, "ignore", "inherit"] });
  const [code] = await once(docker, "exit");
  if (code !== 0) throw new Error(`docker import ended with ${code}`);
}

function folders(root: string, ...names: string[]): void {
  for (const name of names) mkdirSync(join(root, name), { recursive: true });
}

function file(root: string, name: string, lines: readonly string[]): void {
  writeFileSync(join(root, name), `${lines.join("\n")}\n`);
}

const ROOT = "root:x:0:0:root:/root:";
const NOBODY = "nobody:x:65534:65534:nobody:/:/bin/false";

/** What every image has: the usual folders, and the accounts. */
function base(root: string, accounts: readonly string[]): void {
  folders(root, "bin", "etc", "root", "tmp", "proc", "sys", "dev", "run", "var/empty", "usr/bin");
  chmodSync(join(root, "root"), 0o700);
  chmodSync(join(root, "tmp"), 0o1777);
  file(root, "etc/passwd", accounts);
  file(root, "etc/group", ["root:x:0:", "tty:x:5:", "nonroot:x:65532:", "nogroup:x:65534:"]);
}

function withBusybox(root: string): void {
  base(root, [`${ROOT}/bin/sh`, NOBODY]);
  cpSync(which("busybox"), join(root, "bin/busybox"), { dereference: true });
  for (const applet of list(join(root, "bin/busybox"), ["--list"]))
    if (applet !== "busybox") symlinkSync("busybox", join(root, "bin", applet));
}

function withOneProgram(root: string): void {
  base(root, [`${ROOT}/sbin/nologin`, "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin"]);
  folders(root, "app");
  cpSync(which("busybox"), join(root, "app/busybox"), { dereference: true });
}

function withSshd(root: string): void {
  withBusybox(root);
  base(root, [`${ROOT}/bin/bash`, "sshd:x:100:65534::/run/sshd:/bin/false", NOBODY]);
  folders(root, "run/sshd", "etc/ssh");
  file(root, "etc/shadow", ["root:*:19000:0:99999:7:::"]);
  file(root, "etc/ssh/sshd_config", ["Subsystem sftp internal-sftp"]);
  for (const program of ["sshd", "ssh-keygen", "scp", "bash", "git"]) withLibraries(root, which(program));
  // The ends of a clone and of a push.
  for (const name of ["git-upload-pack", "git-receive-pack"]) symlinkSync("git", join(root, "usr/bin", name));
  rmSync(join(root, "bin/bash"), { force: true });
  symlinkSync("../usr/bin/bash", join(root, "bin/bash"));
}

const HELPERS =
  "cat chmod chown chroot cp dd find flock ls mkdir mkfifo mv nice rm sleep ssh stat sync /usr/bin/true";

function withHelpers(root: string): void {
  withSshd(root);
  for (const program of HELPERS.split(" ")) withLibraries(root, which(program));
  cpSync(which("ldd"), join(root, "usr/bin/ldd"));
  withLibraries(root, process.execPath);
  cpSync(process.execPath, join(root, "usr/bin/node"));
  rmSync(join(root, process.execPath));
}

/** At its own path, and what it is linked with at theirs. */
function withLibraries(root: string, program: string): void {
  const libraries = list("ldd", [program]).map((line) => /\/\S+/.exec(line)?.[0]);
  for (const path of [program, ...libraries]) {
    if (path === undefined || existsSync(join(root, path))) continue;
    folders(root, dirname(path));
    cpSync(realpathSync(path), join(root, path));
  }
}

const which = (program: string): string =>
  execFileSync("sh", ["-c", `PATH=$PATH:/usr/sbin; readlink -f "$(command -v ${program})"`], {
    encoding: "utf8",
  }).trim();

const list = (program: string, words: readonly string[]): string[] =>
  execFileSync(program, words, { encoding: "utf8" }).trim().split("\n");
