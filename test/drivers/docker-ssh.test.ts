/** A Docker host that is reached by ssh: what stands in for ssh here runs what it is told to run there, on this machine. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { makeKey, temporaryDirectory } from "./ssh.ts";

describe.skipIf(noDockerEngine())("a Docker host reached by ssh", () => {
  let engine: DockerEngine;
  let dir: string;
  let rig: DockerRig;

  beforeAll(async () => {
    [engine, dir] = await Promise.all([DockerEngine.start({ gpus: false }), temporaryDirectory()]);
    rig = await DockerRig.make(engine, { hosts: [{ url: "ssh://ops@gpu-1:2222" }] });
    vi.stubEnv("PATH", `${dir}${delimiter}${process.env.PATH}`);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await rig.close();
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  const sshIs = (script: string) => writeFile(join(dir, "ssh"), `#!/bin/sh\n${script}\n`, { mode: 0o755 });

  test("its pods are made, reached and ended through `docker system dial-stdio`, as Docker's own client does it", async () => {
    const [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
    await sshIs(
      `echo "$@" >>'${dir}/asked'\nexec env DOCKER_HOST='${engine.url}' sh -c "$(eval echo \\\${$#})"`,
    );
    const driver = await rig.open();
    const spec = await podSpec(driver, host, user);
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    const stream = await driver.dial(spec.name, 22);
    const [first] = await new Promise<Buffer[]>((resolve) =>
      stream.once("data", (bytes) => resolve([bytes])),
    );
    expect(String(first)).toMatch(/^SSH-2\.0-OpenSSH/);
    stream.destroy();
    await driver.terminate(spec.name);
    expect((await driver.list()).pods).toEqual([]);
    await driver.close();
    const [asked] = (await readFile(join(dir, "asked"), "utf8")).split("\n");
    expect(asked).toMatch(/ -p 2222 -- ops@gpu-1 docker system dial-stdio$/);
  });

  test("what ssh says when it cannot log in is what the operator reads", async () => {
    await sshIs("echo 'Host key verification failed.' >&2; exit 255");
    await expect(rig.open()).rejects.toThrow(
      "ssh://ops@gpu-1:2222: the Docker Engine cannot be asked: ssh: Host key verification failed.; see whether `ssh`",
    );
  });
});
