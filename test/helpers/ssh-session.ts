/** A real ssh session in which bytes flow: what is typed comes back, through `cat` in the pod. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { environment } from "./server-process.ts";

/** Without a shared connection: it would outlive the session. */
const ALONE = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];

export class SshSession {
  readonly #ssh: ChildProcessWithoutNullStreams;
  readonly #ended: Promise<unknown[]>;
  #heard = Buffer.alloc(0);
  #stderr = "";
  #more = Promise.withResolvers<void>();

  /** `host` is an alias of the ssh_config in `home`. */
  constructor(home: string, host: string) {
    this.#ssh = spawn("ssh", ["-F", join(home, "ssh_config"), ...ALONE, host, "cat"], {
      env: environment(home),
    });
    this.#ended = once(this.#ssh, "close");
    this.#ssh.stdout.on("data", (part: Buffer) => {
      this.#heard = Buffer.concat([this.#heard, part]);
      this.#more.resolve();
    });
    this.#ssh.stderr.on("data", (part) => {
      this.#stderr += part;
    });
  }

  type(bytes: Buffer | string): void {
    this.#ssh.stdin.write(bytes);
  }

  /** The next bytes that came back, as many as that. Throws when the session ends before. */
  async hear(length: number): Promise<Buffer> {
    while (this.#heard.length < length) {
      this.#more = Promise.withResolvers<void>();
      if ((await Promise.race([this.#more.promise, this.#ended])) !== undefined)
        throw new Error(`the session ended: ${this.#stderr}`);
    }
    const heard = this.#heard.subarray(0, length);
    this.#heard = this.#heard.subarray(length);
    return heard;
  }

  /** What comes back for it. */
  async echo(text: string): Promise<string> {
    this.type(text);
    return (await this.hear(text.length)).toString();
  }

  /** Ends it as its user does: exit code, and what is left on both streams. */
  async end(): Promise<{ code: unknown; rest: string; stderr: string }> {
    this.#ssh.stdin.end();
    const [code] = await this.#ended;
    return { code, rest: this.#heard.toString(), stderr: this.#stderr };
  }

  kill(): void {
    this.#ssh.kill("SIGKILL");
  }
}
