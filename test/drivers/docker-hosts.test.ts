/** Several hosts, of which one does not answer; and engines that are not as they should be, each told by its words. */
import { once } from "node:events";
import { rm } from "node:fs/promises";
import { createServer as createTlsServer } from "node:https";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { INFO_PATIENCE_MS } from "../../src/drivers/docker/host.ts";
import { architecture } from "../../src/drivers/docker/machine.ts";
import { createDockerDriver } from "../../src/drivers/docker/open.ts";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { makeCertificates } from "../helpers/certificates.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { hurried } from "../helpers/hurried.ts";
import { newId, podSpec, untilRunning } from "./contract.ts";
import { DockerRig } from "./docker-rig.ts";
import { type KeyPair, makeKey, temporaryDirectory } from "./ssh.ts";

const SILENT = Symbol("no answer");
const LONG = { timeout: 150_000, interval: 100 };
/** What stands in the place of the engine's answer to a request, by its first line. */
type Fault = (request: string) => { status: number; body: object } | typeof SILENT | undefined;

describe.skipIf(noDockerEngine())("hosts of Docker", () => {
  let engine: DockerEngine;
  let dir: string;
  let user: KeyPair;
  let host: KeyPair;
  const closing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    [engine, dir] = await Promise.all([DockerEngine.start({ gpus: false }), temporaryDirectory()]);
    [user, host] = await Promise.all([makeKey(dir, "user"), makeKey(dir, "host")]);
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await engine.stop();
    await rm(dir, { recursive: true });
  });

  async function listening(server: Server, at: string | number): Promise<Set<Socket>> {
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => sockets.add(socket.on("error", () => socket.destroy())));
    if (typeof at === "string") server.listen(at);
    else server.listen(at, "127.0.0.1");
    await once(server, "listening");
    closing.push(async () => {
      for (const socket of sockets) socket.destroy();
      await once(server.close(), "close");
    });
    return sockets;
  }

  /** A door before the engine, where one request in a connection is answered otherwise; the URL and the connections. */
  async function door(fault: Fault) {
    const path = join(dir, `${newId()}.sock`);
    const server = createServer((socket) => {
      socket.once("data", (bytes: Buffer) => {
        const answer = fault(bytes.toString("latin1").split("\r\n")[0] ?? "");
        if (answer === SILENT) return;
        if (answer) {
          const body = JSON.stringify(answer.body);
          const head = `HTTP/1.1 ${answer.status} x\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
          socket.end(`${head}\r\nConnection: close\r\n\r\n${body}`);
          return;
        }
        const behind = connect(engine.socket).on("error", () => socket.destroy());
        behind.write(bytes);
        socket.on("close", () => behind.destroy());
        socket.pipe(behind).pipe(socket);
      });
    });
    return { url: `unix://${path}`, sockets: await listening(server, path) };
  }

  async function open(hosts: DockerRig["options"]["hosts"]) {
    const rig = await DockerRig.make(engine, { hosts });
    const driver = await rig.open();
    closing.push(
      () => rig.close(),
      () => driver.close(),
    );
    return { rig, driver };
  }

  test("L-11 a host that does not answer holds up no other, and what may be there is not called absent", async () => {
    let silent = true;
    const refusal = { status: 503, body: { message: "not now" } };
    const { url, sockets } = await door(() => (silent ? SILENT : refusal));
    const gpus = [{ type: "a100", count: 2 }];
    const hosts = [
      { name: "box", url: engine.url, labels: { zone: "a" } },
      { name: "silent", url, gpus },
    ];
    const { rig, driver } = await open(hosts);
    const capacity = driver.capacity();
    const spec = await podSpec((await open([{ name: "box", url: engine.url }])).driver, host, user);
    await driver.launch(spec);
    closing.push(() => driver.terminate(spec.name));
    await untilRunning(driver, spec.name);
    // One that has just started asks all hosts, and does not wait for the others when one has it.
    silent = false;
    const second = await rig.open();
    closing.push(() => second.close());
    silent = true;
    expect(await second.inspect(spec.name)).toEqual({ state: "running" });
    expect([...sockets].some((socket) => !socket.destroyed)).toBe(true);
    const nodes = await capacity;
    expect(nodes.filter(({ node }) => node === "box").map(({ healthy }) => healthy)).not.toContain(false);
    expect(nodes.map(({ node, labels }) => [node, labels?.zone])).toContainEqual(["box", "a"]);
    expect(nodes.filter(({ node }) => node === "silent")).toMatchObject([
      { gpuType: "a100", healthy: false },
    ]);
    await expect(driver.inspect(`${newId()}-1`)).rejects.toThrow("no answer in time");
    expect((await driver.list()).pods).toEqual([spec.name]);
  });

  test("B-10 L-11 O-04 a host that is stopped, or frozen, is soon not asked any more: at once it says why and until when; the other goes on", async () => {
    const other = await DockerEngine.start({ gpus: false });
    closing.push(() => other.stop());
    const { rig, driver } = await open([
      { name: "box", url: engine.url },
      { name: "other", url: other.url },
    ]);
    const spec = await podSpec(driver, host, user);
    const there = { ...spec, node: "other", name: `${newId()}-1` };
    // The image is in the one engine only; a pod that is not there is asked about all the same.
    await driver.launch(spec);
    closing.push(() => driver.terminate(spec.name));
    await untilRunning(driver, spec.name);
    const reservationId = newId();
    const ended = { ...spec, reservationId, name: `${reservationId}-1` };
    await driver.launch(ended);
    await untilRunning(driver, ended.name);
    await driver.terminate(ended.name);
    const look = () =>
      driver.inspect(there.name, { node: "other" }).then(
        ({ state }) => state,
        (error) => (error instanceof DriverError ? error.message : String(error)),
      );
    const down = () =>
      Object.fromEntries((driver.places ?? []).map((place) => [place.name, place.state().down]));
    expect(await look()).toBe("absent");
    const stopped = { hit: () => other.kill(), mend: () => other.start(), words: "nothing listens there" };
    // It takes as long as who asks has patience: else test/server/docker-health.test.ts freezes one.
    const frozen = { hit: () => other.freeze(), mend: () => other.thaw(), words: "no answer in time" };
    for (const { hit, mend, words } of process.env.GPU_DEV_SOAK ? [frozen, stopped] : [stopped]) {
      rig.logged.length = 0;
      await hit();
      // How it is is asked with less patience than what befell a pod.
      await expect
        .poll(async () => (await driver.capacity()).find(({ node }) => node === "other")?.healthy, LONG)
        .toBe(false);
      const refused = new RegExp(
        `^other: the Docker Engine cannot be asked: ${words}; it is asked again within 8 s$`,
      );
      await expect.poll(look, LONG).toMatch(refused);
      expect(down()).toEqual({ "docker-host:box": false, "docker-host:other": true });
      expect(await driver.inspect(spec.name)).toEqual({ state: "running" });
      expect(await driver.list()).toEqual({
        pods: [spec.name],
        unasked: [{ host: "other", why: `the Docker Engine cannot be asked: ${words}` }],
      });
      // Where it was is known, or all of it was kept when it ended.
      expect((await driver.logs(spec.name, 0, "box")).length).toBeGreaterThan(0);
      expect((await driver.logs(ended.name)).length).toBeGreaterThan(0);
      await expect(driver.logs(there.name)).rejects.toThrow(words);
      await mend();
      await expect.poll(look, LONG).toBe("absent");
      expect(down()).toEqual({ "docker-host:box": false, "docker-host:other": false });
      expect(rig.logged.filter((line) => line.startsWith("a Docker host"))).toEqual([
        expect.stringMatching(/^a Docker host cannot be asked; .*"node":"other"/),
        'a Docker host can be asked again {"node":"other"}',
      ]);
    }
    // One that is gone for good is taken out of the configuration: then nothing is there.
    const { driver: without } = await open([{ name: "box", url: engine.url }]);
    expect(await without.inspect(there.name, { node: "other" })).toEqual({ state: "absent" });
    await without.terminate(there.name, "other");
  });

  test("one that answers no more is not looked for GPUs either, which would take longer than anybody waits", async () => {
    const asked: string[] = [];
    let silent = false;
    const { url } = await door((request) => {
      asked.push(request);
      return silent ? SILENT : undefined;
    });
    const { driver } = await open([{ name: "box", url }]);
    const health = async () => new Set((await driver.capacity()).map(({ healthy }) => healthy));
    expect(await health()).toEqual(new Set([true]));
    [silent, asked.length] = [true, 0];
    // What nvidia-smi said there is not good any more.
    const now = performance.now.bind(performance);
    const later = vi.spyOn(performance, "now").mockImplementation(() => now() + 61_000);
    closing.push(async () => later.mockRestore());
    const patient = hurried(INFO_PATIENCE_MS);
    closing.push(async () => patient());
    expect(await health()).toEqual(new Set([false]));
    expect(asked).toEqual([expect.stringMatching(/^GET \/info /)]);
  });

  test("L-05 a pod that was started and never told what to do, because its server ended, is launched again", async () => {
    let [cut, kept] = [0, false];
    const { url, sockets } = await door((request) => {
      // Nor does it clear up.
      if (cut > 0 && !kept && request.startsWith("DELETE ")) {
        kept = true;
        return { status: 500, body: { message: "not now" } };
      }
      if (cut > 0 || !/^POST .containers.[0-9a-f]{64}.start /.test(request)) return undefined;
      // All but the one that asks: what the pod is told would come on another.
      for (const socket of [...sockets].filter(({ destroyed }) => !destroyed).slice(0, -1)) {
        socket.destroy();
        cut += 1;
      }
      return undefined;
    });
    const { rig, driver } = await open([{ name: "box", url }]);
    const spec = await podSpec(driver, host, user);
    // Whether the launch learns of it depends on what happens first.
    const learned = expect.stringMatching(/^not now$|^the pod could not begin: it was not told what to do$/);
    await driver.launch(spec).catch((error) => expect(error).toMatchObject({ message: learned }));
    kept = true;
    expect(cut).toBeGreaterThan(0);
    await expect.poll(() => driver.inspect(spec.name), { timeout: 60_000 }).toEqual({ state: "absent" });
    expect(await rig.remains(spec.name)).toHaveLength(1);
    await driver.launch(spec);
    await untilRunning(driver, spec.name);
    expect(await rig.running(spec.name)).toBe(1);
    await driver.terminate(spec.name);
    expect(await rig.remains(spec.name)).toEqual([]);
  });

  test("L-15 the nodes of one reservation on several hosts are refused; on one, no other host is asked", async () => {
    const gpus = [{ type: "a100", count: 2 }];
    const away = { name: "away", url: `unix://${dir}/away.sock`, gpus };
    const { rig, driver } = await open([{ name: "box", url: engine.url, gpus }, away]);
    const one = { ...(await podSpec(driver, host, user)), simulated: true };
    const [privateKey, hostKey] = [user.privateKey, host.publicKey.split(" ").slice(0, 2).join(" ")];
    const onNodes = (...nodes: string[]) => ({
      ...one,
      name: `${one.reservationId}-1-0`,
      gang: { rank: 0, size: 2, nodes, privateKey, hostKey },
    });
    const refused = "the nodes of one reservation cannot be on several Docker hosts";
    await expect(driver.launch(onNodes("box", "away"))).rejects.toThrow(refused);
    expect(await rig.remains("")).toEqual([]);
    const { name, ...spec } = onNodes("box", "box");
    await driver.launch({ name, ...spec });
    await driver.terminate(name);
    expect(await rig.remains("")).toEqual([]);
  });

  test("S-01 two hosts that are one engine are refused at the start, by the names of both", async () => {
    const { url } = await door(() => undefined);
    const hosts = [
      { name: "near", url: engine.url, gpus: [{ type: "a100", count: 2 }] },
      { name: "far", url, gpus: [{ type: "a100", count: 2 }] },
    ];
    await expect(open(hosts)).rejects.toMatchObject({
      code: "invalid_input",
      message: expect.stringMatching(/^the Docker hosts far and near are one and the same engine \(ID \S+\)/),
    });
  });

  test("S-01 one that turns out to be another host's engine when it comes back gets no pods and no disks", async () => {
    let away = true;
    const { url } = await door(() => (away ? { status: 503, body: { message: "not yet" } } : undefined));
    const gpus = [{ type: "a100", count: 2 }];
    const { rig, driver } = await open([
      { name: "near", url: engine.url, gpus },
      { name: "far", url, gpus },
    ]);
    const far = async () =>
      (await driver.capacity()).find(({ node, gpuType }) => node === "far" && gpuType === "a100");
    expect(await far()).toMatchObject({ healthy: false, fault: "not yet" });
    away = false;
    const fault = expect.stringMatching("the Docker hosts far and near are one and the same engine");
    expect(await far()).toMatchObject({ healthy: false, fault });
    const near = (await driver.capacity()).filter(({ node }) => node === "near");
    expect(near.map(({ healthy }) => healthy)).not.toContain(false);
    const spec = { ...(await podSpec(driver, host, user)), node: "far", gpuType: "a100", gpus: [0] };
    await expect(driver.launch({ ...spec, simulated: false })).rejects.toThrow("one and the same engine");
    await expect(driver.disks?.on("far").list()).rejects.toThrow("one and the same engine");
    expect(await driver.disks?.on("near").list()).toMatchObject({ disks: [] });
    expect(rig.logged.join()).toContain("one and the same engine");
  });

  test("a host with other processors than the server's is told as such, and gets nothing", async () => {
    const [, other] = process.arch === "x64" ? ["x86_64", "aarch64"] : ["aarch64", "x86_64"];
    const info = JSON.parse(await engine.docker("info", "--format", "{{json .}}"));
    const { url } = await door((request) =>
      request.startsWith("GET /info ") ? { status: 200, body: { ...info, Architecture: other } } : undefined,
    );
    const { driver } = await open([{ name: "box", url, gpus: [{ type: "a100", count: 2 }] }]);
    const nodes = await driver.capacity();
    const its = architecture(other ?? "");
    const fault = expect.stringContaining(
      `it has processors of ${its}, and pods get their sshd from the server's machine, which has ${architecture(process.arch)}: name a docker.helper_image`,
    );
    expect(nodes.length).toBeGreaterThan(0);
    for (const node of nodes) expect(node).toMatchObject({ healthy: false, fault });
    const launch = driver.launch(await podSpec(driver, host, user));
    await expect(launch).rejects.toThrow(LaunchRefused);
    await expect(launch).rejects.toThrow("the Docker host box cannot have pods: it has processors of");
  });

  test("tools that somebody emptied are put there anew, and the pod is tried again", async () => {
    const { driver } = await open([{ name: "box", url: engine.url }]);
    const spec = await podSpec(driver, host, user);
    await driver.launch(spec);
    await driver.terminate(spec.name);
    const [volume = ""] = (await engine.docker("volume", "ls", "--quiet", "--filter", "name=-tools-")).split(
      "\n",
    );
    await engine.docker("volume", "rm", volume);
    await engine.docker("volume", "create", volume);
    const emptied = driver.launch(spec);
    await expect(emptied).rejects.toThrow(DriverError);
    await expect(emptied).rejects.toThrow("what pods need is not on the host any more");
    await driver.launch(spec);
    closing.push(() => driver.terminate(spec.name));
    await untilRunning(driver, spec.name);
  });

  test("what is no engine says of no pod that it is absent", async () => {
    const { url } = await door((request) =>
      request.includes("/containers/") ? { status: 404, body: ["<html>not found</html>"] } : undefined,
    );
    const { driver } = await open([{ name: "box", url }]);
    await expect(driver.inspect(`${newId()}-1`)).rejects.toThrow("what answers there is no Docker Engine");
  });

  test("an engine that is too old, and a disk that is full, are said; the one for good, the other is tried again", async () => {
    const old = await door((request) =>
      request.startsWith("GET /version ")
        ? { status: 200, body: { Version: "18.09.1", ApiVersion: "1.39" } }
        : undefined,
    );
    const { driver } = await open([{ name: "box", url: old.url }]);
    const spec = await podSpec(driver, host, user);
    const tooOld = driver.launch(spec);
    await expect(tooOld).rejects.toThrow(LaunchRefused);
    await expect(tooOld).rejects.toThrow("the Docker Engine 18.09.1 is too old");

    const message = "write /var/lib/docker/tmp/x: no space left on device";
    const full = await door((request) =>
      request.startsWith("POST /containers/create") && request.includes(spec.name)
        ? { status: 500, body: { message } }
        : undefined,
    );
    const { driver: onFull } = await open([{ name: "box", url: full.url }]);
    const refused = onFull.launch(spec);
    await expect(refused).rejects.toThrow(DriverError);
    await expect(refused).rejects.toThrow("the disk of the Docker host is full");
    expect(await onFull.inspect(spec.name)).toEqual({ state: "absent" });
  });

  test("an engine whose certificate is of another authority is not asked, and what to look at is said", async () => {
    const [theirs, ours] = [await temporaryDirectory(), await temporaryDirectory()];
    closing.push(...[theirs, ours].map((made) => () => rm(made, { recursive: true })));
    const { key, cert } = makeCertificates(theirs, ["127.0.0.1"]);
    makeCertificates(ours, ["127.0.0.1"]);
    const server = createTlsServer({ key, cert });
    await listening(server, 0);
    const { port } = server.address() as AddressInfo;
    const file = (name: string) => join(ours, name);
    const tls = { ca: file("ca.pem"), cert: file("server.pem"), key: file("server.key") };
    const opening = createDockerDriver({
      dataDir: dir,
      deploymentId: newId(),
      hosts: [{ url: `tcp://127.0.0.1:${port}`, tls }],
      simulate: [],
      log: () => undefined,
    });
    await expect(opening).rejects.toThrow(/cannot be asked: TLS: .*; see whether ca, cert and key/);
  });
});
