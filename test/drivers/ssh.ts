/** A real OpenSSH client against a pod, over the driver's own way to reach it. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { promisify } from "node:util";
import type { Driver } from "../../src/drivers/driver.ts";

export interface KeyPair {
  readonly file: string;
  readonly privateKey: string;
  readonly publicKey: string;
}

export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export const temporaryDirectory = (parent = tmpdir()): Promise<string> =>
  mkdtemp(join(parent, "gpu-dev-driver-"));

export async function makeKey(dir: string, name: string): Promise<KeyPair> {
  const file = join(dir, name);
  await promisify(execFile)("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", file]);
  const [privateKey, publicKey] = await Promise.all([
    readFile(file, "utf8"),
    readFile(`${file}.pub`, "utf8"),
  ]);
  return { file, privateKey, publicKey: publicKey.trim() };
}

/** A guard against hanging: what takes so long is reported, not waited for. */
const RUN_MS = 60_000;

/** The exit code and the output of a program. */
export async function run(command: string, args: readonly string[], input?: string): Promise<Result> {
  const child = spawn(command, args, {
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"],
    signal: AbortSignal.timeout(RUN_MS),
    killSignal: "SIGKILL",
  });
  const output = Promise.all([collect(child.stdout), collect(child.stderr)]);
  child.stdin?.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  const [stdout, stderr] = await output;
  return { code: code ?? -1, stdout, stderr };
}

async function collect(stream: Readable | null): Promise<string> {
  return stream === null ? "" : text(stream);
}

/** Ways into one pod; every login checks the host key that the pod was launched with. */
export class PodAccess {
  readonly port: number;
  readonly #user: string;
  readonly #dir: string;
  readonly #server: Server;
  readonly #children = new Set<ChildProcess>();

  private constructor(port: number, user: string, dir: string, server: Server) {
    this.port = port;
    this.#user = user;
    this.#dir = dir;
    this.#server = server;
  }

  static async open(driver: Driver, name: string, hostKey: string): Promise<PodAccess> {
    const dir = await temporaryDirectory();
    await writeFile(join(dir, "known_hosts"), `pod ${hostKey}\n`);
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      driver.dial(name, 22).then(
        (pod) => {
          pipeline(socket, pod, () => pod.destroy());
          pipeline(pod, socket, () => socket.destroy());
        },
        () => socket.destroy(),
      );
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new TypeError("no port");
    return new PodAccess(address.port, driver.sshUser, dir, server);
  }

  /** Options that ssh, scp and sftp share. */
  options(key: KeyPair): string[] {
    const set = {
      IdentityFile: key.file,
      IdentitiesOnly: "yes",
      BatchMode: "yes",
      HostKeyAlias: "pod",
      StrictHostKeyChecking: "yes",
      UserKnownHostsFile: join(this.#dir, "known_hosts"),
      GlobalKnownHostsFile: "/dev/null",
      ConnectTimeout: "20",
      // What it would choose takes several times the work, here for each of some hundred logins.
      KexAlgorithms: "curve25519-sha256",
      LogLevel: "ERROR",
      Port: String(this.port),
    };
    return ["-F", "none", ...Object.entries(set).flatMap(([name, value]) => ["-o", `${name}=${value}`])];
  }

  get target(): string {
    return `${this.#user}@127.0.0.1`;
  }

  ssh(key: KeyPair, command: string, flags: readonly string[] = []): Promise<Result> {
    return run("ssh", [...this.options(key), ...flags, this.target, command]);
  }

  /** A login that stays, until the pod or this access ends. */
  hold(key: KeyPair, command: string, flags: readonly string[] = []): ChildProcess {
    const child = spawn("ssh", [...this.options(key), ...flags, this.target, command], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#children.add(child);
    return child;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.kill("SIGKILL");
    this.#server.close();
    await rm(this.#dir, { recursive: true });
  }
}
