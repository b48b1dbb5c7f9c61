/** The rig itself: a real Docker Engine (helpers/docker-engine.ts). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { noPodman } from "../helpers/podman-service.ts";
import { mountsBelow, processesNaming } from "../helpers/processes.ts";
import { run } from "./ssh.ts";

const SMI = "#!/bin/sh\necho I see $NVIDIA_VISIBLE_DEVICES\n";
const SERVE = ["httpd", "-f", "-p", "80", "-h", "/etc"];

/** What a container of this engine serves at its address; rejects with what the network said. */
async function fetched(engine: DockerEngine, container: string): Promise<string> {
  const address = await engine.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", container);
  const socket = connect(80, address);
  await once(socket, "connect");
  socket.write("GET /passwd HTTP/1.0\r\n\r\n");
  return text(socket);
}

/** What is outside of an engine's namespaces. */
async function remains(engine: Record<"folder" | "name" | "container", string>): Promise<string[]> {
  const { folder, name, container } = engine;
  const { stdout } = await run("ip", ["link"]);
  // Not by readdir, which fails when somebody else's group goes meanwhile.
  const cgroups = (await run("find", ["/sys/fs/cgroup", "-type", "d"])).stdout.split("\n");
  return [
    ...processesNaming(folder).map((pid) => `process ${pid}`),
    ...mountsBelow(folder),
    ...(existsSync(folder) ? [folder] : []),
    ...(stdout.includes(`${name}@`) ? [`link ${name}`] : []),
    ...cgroups.filter((path) => path.endsWith(name) || path.endsWith(container)),
  ];
}

const lacking = noDockerEngine();

describe.skipIf(lacking !== undefined)(`a Docker Engine for tests ${lacking ?? ""}`, () => {
  let near: DockerEngine;
  let far: DockerEngine;
  beforeAll(async () => {
    [near, far] = await Promise.all([
      DockerEngine.start({ nvidiaSmi: SMI }),
      DockerEngine.start({ reachable: false, gpus: false }),
    ]);
  });
  afterAll(() => Promise.all([near.stop(), far.stop()]));

  test("containers of one are reached, of the other are not, and neither knows the other's", async () => {
    const served = await Promise.all(
      [near, far].map(async (engine) => {
        const id = await engine.docker("run", "--detach", await engine.image("busybox"), ...SERVE);
        expect(await engine.docker("ps", "--quiet", "--no-trunc")).toBe(id);
        // It listens a moment after it started.
        return expect.poll(() => fetched(engine, id).catch((error: Error) => error.message));
      }),
    );
    await served[0]?.toContain("root:x:0:0");
    await served[1]?.toMatch(/EHOSTUNREACH|ENETUNREACH/);
  });

  test("the devices that were asked for are told, and an engine without GPUs refuses", async () => {
    const words = ["run", "--gpus", '"device=1,GPU-3"', await near.image("busybox"), "nvidia-smi"];
    expect(await near.docker(...words)).toBe("I see 1,GPU-3");
    const container = await near.docker("ps", "--all", "--quiet", "--no-trunc", "--latest");
    expect(near.devicesAsked()).toEqual([{ container, devices: ["1", "GPU-3"] }]);
    await far.image("busybox");
    await expect(far.docker(...words)).rejects.toThrow("could not select device driver");
  });

  test("its images are what their names say", async () => {
    const says = async (kind: "sshd" | "busybox" | "distroless", ...words: string[]) =>
      near.docker("run", "--rm", "--entrypoint", words[0] ?? "", await near.image(kind), ...words.slice(1));
    expect(await says("sshd", "bash", "-c", "sshd -T -h /dev/null; git --version")).toMatch(/^git version/m);
    expect(await says("busybox", "sh", "-c", "command -v sshd bash || id -un")).toBe("root");
    expect(await says("distroless", "/app/busybox", "id", "-u")).toBe("65532");
    await expect(says("distroless", "/bin/sh", "-c", "true")).rejects.toThrow("no such file");
  });

  test("it comes back with its containers after a restart, and after a kill", async () => {
    for (const running of (await far.docker("ps", "--quiet")).split("\n").filter(Boolean))
      await far.docker("rm", "--force", running);
    const id = await far.docker("run", "--detach", await far.image("busybox"), "true");
    for (const act of [() => far.restart(), () => far.kill().then(() => far.start())]) {
      await act();
      expect(await far.docker("inspect", "-f", "{{.State.Status}}", id)).toBe("exited");
    }
  });
});

test.for([
  { file: "docker-engine.ts", name: "DockerEngine", missing: lacking },
  { file: "podman-service.ts", name: "PodmanService", missing: noPodman() },
])("a test run that is killed leaves nothing of its $name", async ({ file, name, missing }, { skip }) => {
  skip(missing !== undefined, missing);
  const rig = join(import.meta.dirname, "..", "helpers", file);
  const program = `
    const { ${name} } = await import(${JSON.stringify(rig)});
    const engine = await ${name}.start();
    const container = await engine.docker("run", "--detach", await engine.image("busybox"), "sleep", "1000");
    console.log(JSON.stringify({ folder: engine.folder, name: engine.name, container }));`;
  const starter = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [line] = await once(createInterface(starter.stdout), "line");
  const engine = JSON.parse(String(line));
  const before = await remains(engine);
  expect(before).toEqual(
    expect.arrayContaining([engine.folder, expect.stringContaining("process"), `link ${engine.name}`]),
  );
  expect(before.filter((left) => left.includes(engine.container))).not.toEqual([]);
  starter.kill("SIGKILL");
  await expect.poll(() => remains(engine)).toEqual([]);
});
