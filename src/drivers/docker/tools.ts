/**
 * What every pod needs and its image may not have: sshd, a shell and some programs, taken from this machine with their libraries and
 * their loader, and made to run in any image. A program names its loader by an absolute path, which becomes ours; the loader has the
 * directories that it looks in, and its cache, as texts in its own file, which become our directory in texts of the same length. So
 * nothing of the image is used, and nothing of ours is seen by what the image's own programs load. See ld.so(8) and elf(5), PT_INTERP.
 */
import { execFile } from "node:child_process";
import { access, readFile, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";
import { LaunchRefused } from "../driver.ts";
import { findOpenSsh, type OpenSsh } from "../local/openssh.ts";
import { imageOfFiles, type OwnImage } from "./own-image.ts";
import type { TarEntry } from "./tar.ts";

/** Where the volume is mounted, and in it the directory that appears when all of it is there. */
export const TOOLS_MOUNT = "/.gpu-dev";
export const TOOLS = `${TOOLS_MOUNT}/t`;
export const BASH = `${TOOLS}/bin/bash`;
const LIBRARIES = `${TOOLS}/lib`;
export const LOADER = `${LIBRARIES}/ld.so`;

const PROGRAMS =
  "bash cat chmod chown chroot cp dd find flock ls mkdir mkfifo mv rm sleep ssh stat sync".split(" ");
const PLACES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"];
/** Looked for by name at run time: without them a C library that has them apart knows no accounts. */
const PLUGINS = ["libnss_files.so.2", "libnss_compat.so.2"];
/** Newer ones run these for each connection. */
const SSHD_PARTS = ["sshd-session", "sshd-auth"];
const SSHD_PART_PLACES = ["/usr/lib/openssh", "/usr/libexec/openssh", "/usr/libexec", "/usr/lib/ssh"];

export interface Tools extends OwnImage, SshdFacts {}

/** What a pod's configuration of sshd depends on. */
export interface SshdFacts {
  readonly openSsh: OpenSsh;
  /** Paths in a pod of programs that sshd has to be told of, by their names. */
  readonly sshdParts: Readonly<Record<string, string>>;
}

/** Of this machine. Throws LaunchRefused with what to do where its programs cannot be taken along. */
export async function makeTools(): Promise<Tools> {
  if (process.platform !== "linux")
    throw new LaunchRefused(
      "pods get sshd from the server's machine, which must be Linux: run the server on a Docker host, or name a docker.helper_image",
    );
  const { facts, programs } = await findTools();
  return { ...facts, ...(await imageOfFiles(() => toolFiles(programs))) };
}

/** Where they are on this machine; `where` is what the machine is called in errors. Throws LaunchRefused. */
export async function findTools(where?: string): Promise<{ facts: SshdFacts; programs: string[] }> {
  const openSsh = await findOpenSsh();
  const parts = (await Promise.all(SSHD_PARTS.map((name) => findIn(SSHD_PART_PLACES, name)))).filter(isPath);
  const programs = await Promise.all(PROGRAMS.map((name) => program(name, where)));
  const sshdParts = Object.fromEntries(
    parts.map((path) => [basename(path), `${TOOLS}/bin/${basename(path)}`]),
  );
  return { facts: { openSsh, sshdParts }, programs: [openSsh.sshd, ...parts, ...programs] };
}

/** As they are in a pod. */
export async function toolFiles(programs: readonly string[]): Promise<TarEntry[]> {
  const files = await collect(programs);
  return [
    ...["bin/", "lib/"].map((path): TarEntry => ({ path: entryPath(path), mode: 0o755 })),
    ...[...files].map(([path, data]): TarEntry => ({ path: entryPath(path), mode: 0o755, data })),
  ];
}

const entryPath = (path: string): string => `${TOOLS.slice(1)}/${path}`;
const isPath = (path: string | undefined): path is string => path !== undefined;

/** Where it is on this machine. Throws LaunchRefused where it is not. */
export async function program(name: string, where = "on the server's machine"): Promise<string> {
  const path = await findIn(PLACES, name);
  if (path !== undefined) return path;
  throw new LaunchRefused(`pods and disks need ${name}, which is not installed ${where}`);
}

async function findIn(places: readonly string[], name: string): Promise<string | undefined> {
  for (const path of places.map((place) => join(place, name))) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  return undefined;
}

/** The programs in bin/, what they are linked with and the loader in lib/, each changed to find the others. */
export async function collect(programs: readonly string[]): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  const libraries = new Map<string, string>();
  let loader: string | undefined;
  for (const path of programs) {
    const linked = await linkedWith(path);
    loader = linked.loader ?? loader;
    for (const library of linked.libraries) libraries.set(basename(library), library);
    files.set(`bin/${basename(path)}`, withLoader(await readFile(path), linked.loader));
  }
  if (loader === undefined) return files;
  for (const plugin of PLUGINS) {
    const path = await findIn([dirname(libraries.get("libc.so.6") ?? "/lib")], plugin);
    if (path !== undefined) libraries.set(plugin, path);
  }
  for (const [name, path] of libraries) files.set(`lib/${name}`, await readFile(await realpath(path)));
  return files.set("lib/ld.so", relocated(await readFile(await realpath(loader))));
}

/** By ldd, whose lines are "name => path (address)", and for the loader "path (address)"; a static program has neither. */
async function linkedWith(path: string) {
  const { stdout } = await promisify(execFile)("ldd", [path], { env: { LC_ALL: "C" } }).catch(
    (error: { stdout?: string }) => ({ stdout: error.stdout ?? "" }),
  );
  return {
    libraries: [...stdout.matchAll(/=> (\/\S+) \(0x/g)].map(([, library = ""]) => library),
    loader: /^\t(\/\S+) \(0x/m.exec(stdout)?.[1],
  };
}

/** The file itself is changed, as all that follow: some are a hundred megabytes. */
function withLoader(file: Buffer, loader: string | undefined): Buffer {
  if (loader !== undefined) replace(file, loader, LOADER.padEnd(loader.length, "\0"));
  return file;
}

/** The directories of Debian and its kin are long enough for ours; a trailing "/" more or less does not matter. */
function relocated(loader: Buffer): Buffer {
  replace(loader, "/etc/ld.so.cache", `${TOOLS}/none`);
  replace(loader, "/etc/ld.so.preload", `${TOOLS}/no-pre`);
  const triple = /\/usr\/lib\/([a-z0-9_]+-linux-gnu[a-z0-9]*)\//.exec(loader.toString("latin1"))?.[1];
  let found = 0;
  for (const dir of triple ? [`/usr/lib/${triple}/`, `/lib/${triple}/`] : [])
    found += replace(loader, dir, LIBRARIES.padEnd(dir.length, "/"));
  if (found > 0) return loader;
  throw new LaunchRefused(
    "the programs of the server's machine cannot be taken into containers: they can on Debian, Ubuntu and what derives from them",
  );
}

/** Every text `from` that ends in NUL becomes `to`, which is as long; how many were found. */
function replace(file: Buffer, from: string, to: string): number {
  if (to.length !== from.length) throw new RangeError(`${to} does not fit in the place of ${from}`);
  let count = 0;
  for (let at = file.indexOf(`${from}\0`); at >= 0; at = file.indexOf(`${from}\0`, at + 1)) {
    file.write(to, at, "latin1");
    count += 1;
  }
  return count;
}
