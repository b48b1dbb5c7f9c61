/**
 * Engines on other machines, by their real ends: dockerd's own TLS, with certificates of openssl, and `docker system dial-stdio` behind
 * a real sshd, with the ssh of whoever runs the server.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer } from "node:net";
import { delimiter, join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { makeCertificates } from "../helpers/certificates.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { freePort } from "../helpers/free-port.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, PodAccess, temporaryDirectory } from "./ssh.ts";

const closing: (() => Promise<unknown>)[] = [];
const end = async (list: (() => Promise<unknown>)[]): Promise<void> => {
  for (const close of list.splice(0).reverse()) await close();
};

describe.skipIf(noDockerEngine())("a Docker Engine on another machine", () => {
  const atEnd: (() => Promise<unknown>)[] = [];
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  let engine: DockerEngine;

  beforeAll(async () => {
    dir = await temporaryDirectory();
    atEnd.push(() => rm(dir, { recursive: true }));
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    const { dir: own } = makeCertificates(dir, ["127.0.0.1", "gpu-1.test"]);
    const file = (name: string) => join(own, name);
    const tls = [`--tlscacert=${file("ca.pem")}`, `--tlscert=${file("server.pem")}`];
    const args = ["--host=tcp://0.0.0.0:2376", "--tlsverify", ...tls, `--tlskey=${file("server.key")}`];
    engine = await DockerEngine.start({ gpus: false, args });
    atEnd.push(() => engine.stop());
  });
  afterEach(() => end(closing));
  afterAll(() => end(atEnd));

  async function open(hosts: DockerRig["options"]["hosts"]) {
    const rig = await DockerRig.make(engine, { hosts });
    closing.push(() => rig.close());
    const driver = await rig.open();
    closing.push(() => driver.close());
    return driver;
  }

  /** What the contract's main cases go through: made, reached, changed, seen to end, and gone. */
  async function lives(hosts: DockerRig["options"]["hosts"]): Promise<void> {
    const driver = await open(hosts);
    expect((await driver.capacity()).map(({ healthy }) => healthy)).not.toContain(false);
    const spec = await podSpec(driver, host, user);
    const heard: string[] = [];
    const deaf = driver.watch?.((pod) => heard.push(pod));
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    const access = await PodAccess.open(driver, spec.name, host.publicKey);
    closing.push(() => access.close());
    const logins = [1, 2, 3].map(() => access.ssh(user, "head -c 3000000 /dev/zero | wc -c"));
    for (const login of await Promise.all(logins))
      expect(login).toMatchObject({ code: 0, stdout: "3000000\n" });
    await driver.update(spec.name, { endNotice: "it ends at 16:32" });
    expect((await access.ssh(user, "cat GPU_DEV_NOTICE")).stdout).toBe("it ends at 16:32\n");
    expect((await driver.usage(spec.name)).memory).toMatchObject({ usedBytes: expect.any(Number) });
    expect((await driver.logs(spec.name)).length).toBeGreaterThan(0);
    const disk = newId();
    await driver.disks?.on("gpu-1").create(disk, 1e9);
    await driver.disks?.on("gpu-1").remove({ disk });
    expect((await driver.list()).pods).toEqual([spec.name]);
    await driver.terminate(spec.name);
    expect((await driver.list()).pods).toEqual([]);
    expect(await driver.inspect(spec.name)).toEqual({ state: "absent" });
    await expect.poll(() => heard).toContain(spec.name);
    deaf?.();
  }

  describe("by TCP and TLS", () => {
    let url: string;

    /** Its port, as another machine has it. */
    beforeAll(async () => {
      const door = createServer((socket) => {
        const behind = connect(2376, engine.address);
        const cut = (): void => {
          socket.destroy();
          behind.destroy();
        };
        socket.on("error", cut);
        behind.on("error", cut);
        socket.pipe(behind).pipe(socket);
      });
      await once(door.listen(0, "127.0.0.1"), "listening");
      atEnd.push(async () => once(door.close(), "close"));
      url = `tcp://127.0.0.1:${(door.address() as AddressInfo).port}`;
    });

    const credentials = (of: string) => ({
      ca: join(of, "ca.pem"),
      cert: join(of, "server.pem"),
      key: join(of, "server.key"),
    });

    test("pods live there with certificates of one authority on both sides", async () => {
      await lives([{ name: "gpu-1", url, tls: credentials(dir) }]);
    });

    /** Signed by the engine's own authority, and good for no day. */
    function expired(): { cert: string; key: string } {
      const openssl = (...words: string[]) => execFileSync("openssl", words, { cwd: dir, stdio: "pipe" });
      const key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        "old.key",
      ];
      openssl("req", "-subj", "/CN=old", ...key, "-out", "old.csr");
      const signing = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "-1"];
      openssl("x509", "-req", "-in", "old.csr", ...signing, "-out", "old.pem");
      return { cert: join(dir, "old.pem"), key: join(dir, "old.key") };
    }

    test("wrong certificates, of either side, are told by what is wrong with them and what to look at", async () => {
      const other = await temporaryDirectory();
      closing.push(() => rm(other, { recursive: true }));
      makeCertificates(other, ["127.0.0.1"]);
      const [ours, theirs] = [credentials(dir), credentials(other)];
      const refusals: [object, RegExp][] = [
        [{ ...ours, ca: theirs.ca }, /TLS: .*(?:unable to verify|signature)/],
        [{ ...theirs, ca: ours.ca }, /TLS: .*(?:unknown.ca|bad.certificate|certificate)/i],
        [{ ...ours, ...expired() }, /TLS: .*(?:expired|bad.certificate)/i],
        [{ ...ours, cert: theirs.cert }, /TLS: .*key/i],
      ];
      for (const [tls, why] of refusals) {
        const opening = open([{ url, tls: tls as typeof ours }]);
        await expect(opening).rejects.toMatchObject({
          code: "invalid_input",
          message: expect.stringMatching(why),
        });
        await expect(opening).rejects.toThrow(
          "see whether ca, cert and key of the host's tls are those of that engine",
        );
      }
    });
  });

  describe("by ssh", () => {
    let url: string;
    const file = (name: string): string => join(dir, name);

    beforeAll(async () => {
      const port = await freePort();
      const config = [
        "Host gpu-1.test",
        "  HostName 127.0.0.1",
        "  User root",
        `  Port ${port}`,
        `  IdentityFile ${user.file}`,
        "  IdentitiesOnly yes",
        "  HostKeyAlias gpu-1",
        `  UserKnownHostsFile ${file("known")}`,
        "  GlobalKnownHostsFile /dev/null",
        "",
      ].join("\n");
      await writeFile(file("known"), `gpu-1 ${host.publicKey}\n`);
      await writeFile(file("authorized"), `${user.publicKey}\n`);
      await writeFile(
        file("sshd_config"),
        [
          `ListenAddress 127.0.0.1:${port}`,
          `HostKey ${host.file}`,
          `AuthorizedKeysFile ${file("authorized")}`,
          "StrictModes no",
          "UsePAM no",
          "PidFile none",
          "MaxStartups 7",
          `SetEnv DOCKER_HOST=${engine.url}`,
          "",
        ].join("\n"),
      );
      // The user's own configuration, which is not that of whoever runs the tests.
      await writeFile(file("ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F '${file("config")}' "$@"\n`, {
        mode: 0o755,
      });
      vi.stubEnv("PATH", `${dir}${delimiter}${process.env.PATH}`);
      const sshd = spawn("/usr/sbin/sshd", ["-D", "-e", "-f", file("sshd_config")], { stdio: "ignore" });
      atEnd.push(async () => {
        vi.unstubAllEnvs();
        const gone = once(sshd, "exit");
        sshd.kill();
        await gone;
      });
      url = "ssh://gpu-1.test";
      await writeFile(file("config"), config);
      await vi.waitFor(() => answers(port), { timeout: 20_000 });
    });

    test("pods live there, through the ssh of the server's user and the docker of that machine", async () => {
      await lives([{ name: "gpu-1", url }]);
    });

    test("more at once than sshd lets begin is no trouble", async () => {
      const driver = await open([{ name: "gpu-1", url }]);
      const looks = Array.from({ length: 12 }, () => driver.inspect(`${newId()}-1`));
      for (const view of await Promise.all(looks)) expect(view).toEqual({ state: "absent" });
    });

    test.for([
      [
        "another host key",
        "known",
        (): string => `gpu-1 ${user.publicKey}\n`,
        "Host key verification failed",
      ],
      ["a key that is not let in", "authorized", (): string => "", "Permission denied"],
    ] as const)("%s is told in ssh's own words, with what to look at", async ([, name, instead, words]) => {
      const before = name === "known" ? `gpu-1 ${host.publicKey}\n` : `${user.publicKey}\n`;
      await writeFile(file(name), instead());
      closing.push(() => writeFile(file(name), before));
      const opening = open([{ url }]);
      await expect(opening).rejects.toThrow(words);
      await expect(opening).rejects.toThrow("see whether `ssh` to that host works without a question");
    });

    test("a machine without docker is told as that", async () => {
      await writeFile(file("authorized"), `command="exec docker-is-not-here" ${user.publicKey}\n`);
      closing.push(() => writeFile(file("authorized"), `${user.publicKey}\n`));
      await expect(open([{ url }])).rejects.toThrow(/ssh: .*not found/);
    });
  });
});

/** Rejects while nothing listens there. */
async function answers(port: number): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
  } finally {
    socket.destroy();
  }
}
