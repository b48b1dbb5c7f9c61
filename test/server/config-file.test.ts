/** The configuration file: what is wrong with it is told by file, line and key. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { EXAMPLE } from "../../scripts/generate/configuration.ts";
import { parseSettings, readSettings } from "../../src/server/config/file.ts";
import { LiveSettings } from "../../src/server/config/live.ts";
import { openConfig } from "../../src/server/config/open.ts";
import { inTurn, reloadConfig, type Told } from "../../src/server/config/reload.ts";
import { createLogger } from "../../src/server/log.ts";

const faultOf = (text: string): string => {
  try {
    parseSettings("f.yaml", text);
  } catch (error) {
    return (error as Error).message;
  }
  return "nothing is wrong";
};

test("S-10 the example of the documentation is understood", () => {
  const live = new LiveSettings(parseSettings("f.yaml", EXAMPLE));
  expect(live.catalogue().get("h100")).toEqual({
    description: "NVIDIA H100 80 GB",
    gpuMemory: 80 * 2 ** 30,
    cpus: 24,
    memory: 200 * 2 ** 30,
    maxDurationS: 48 * 3600,
    idleAfterS: null,
    pricePerHour: 2_500_000,
    slice: null,
    withoutGpus: false,
  });
  expect(live.catalogue().get("h100-1g")).toMatchObject({ slice: { of: "h100", perGpu: 7 } });
  expect(live.stated()).toEqual({
    withoutGpus: [{ gpuType: "cpu-large", places: 8 }],
    cuts: [{ node: "gpu-host-1", gpuType: "h100-1g", of: "h100", perGpu: 7, gpus: [6, 7] }],
  });
  expect(live.limits()).toMatchObject({ tunnelsPerReservation: 100, tunnelsPerUser: 300 });
});

test.each([
  ["", "nothing is wrong"],
  ["# nothing but this\n", "nothing is wrong"],
  [
    "limits: {requests_per_token: 0, requests_per_address: 1, failed_logins_per_address: 9}\n",
    "nothing is wrong",
  ],
  ["limits: {requests_per_token: -1}\n", /^f\.yaml:1: limits\.requests_per_token: /],
  ['cors_origins: ["https://dash.example.org", "http://localhost:3000"]\n', "nothing is wrong"],
  ...["https://dash.example.org/", "dash.example.org", "*", "ftp://x", "https://User@x"].map(
    (origin): [string, string] => [
      `cors_origins: ["${origin}"]\n`,
      "f.yaml:1: cors_origins.0: an origin is written https://dash.example.org, without a path",
    ],
  ),
  ["lisen: x\n", "f.yaml:1: lisen: there is no such key"],
  ["gpu_types:\n  h100:\n    max_time: 4h\n", "f.yaml:3: gpu_types.h100.max_time: there is no such key"],
  [
    "\ngpu_types:\n  h100:\n    cpus: 4\n    max_duration: 48\n",
    'f.yaml:5: gpu_types.h100.max_duration: "48" is not understood; write 90m, 1h30m, 8h, 2d, 0.5h or h:mm, from 1m to 366d',
  ],
  [
    "gpu_types:\n  h100: {gpu_memory: 80}\n",
    /^f\.yaml:2: gpu_types\.h100\.gpu_memory: "80" is not understood; write 80G /,
  ],
  [
    "gpu_types:\n  h100: {price_per_hour: 0.0000001}\n",
    /price_per_hour: "1e-7" is not understood; write dollars/,
  ],
  ["gpu_types:\n  H100: {}\n", "f.yaml:2: gpu_types.H100: a type's name has a-z, 0-9, and inner - or ."],
  ["simulate: [h100]\n", /^f\.yaml:1: simulate\.0: "h100" is not understood; write h100:8 /],
  [
    "driver: docker=gpu-1\n",
    /^f\.yaml:1: driver: "docker=gpu-1" is not understood; write local, docker, or docker=URL/,
  ],
  [
    "docker:\n  hosts: [{url: gpu-1}]\n",
    /^f\.yaml:2: docker\.hosts\.0\.url: must be unix:\/\/\/var\/run\/docker\.sock, /,
  ],
  [
    "docker:\n  hosts:\n    - url: tcp://gpu-1:2375\n",
    "f.yaml:3: docker.hosts.0.tls: without it whoever reaches the port is root on that machine; or use ssh://",
  ],
  [
    "docker:\n  hosts:\n    - url: ssh://gpu-1\n      labels: {Zone: a}\n",
    /^f\.yaml:4: docker\.hosts\.0\.labels\.Zone: .*KEY=VALUE such as zone=a/,
  ],
  [
    "docker:\n  hosts:\n    - url: ssh://gpu-1\n      labels: {zone: a b}\n",
    /^f\.yaml:4: docker\.hosts\.0\.labels\.zone: KEY=VALUE such as zone=a/,
  ],
  [
    "docker:\n  hosts:\n    - {name: a, url: ssh://gpu-1}\n    - {name: b, url: ssh://gpu-1}\n",
    "f.yaml:4: docker.hosts.1.url: another host has the same url; each is a node of its own",
  ],
  [
    "docker:\n  hosts:\n    - {name: a, url: ssh://gpu-1}\n    - {name: a, url: ssh://gpu-2}\n",
    "f.yaml:4: docker.hosts.1.name: another host has the same name; each is a node of its own",
  ],
  ["isolation: none\n", /^f\.yaml:1: isolation: Invalid option: expected one of "auto"/],
  [
    "gpu_types:\n  a: {per_gpu: 7}\n",
    "f.yaml:2: gpu_types.a.per_gpu: is only for slices: slice_of is missing",
  ],
  ["gpu_types:\n  a: {slice_of: h100}\n", /^f\.yaml:2: gpu_types\.a\.slice_of: per_gpu is missing/],
  ["gpu_types:\n  a: {slice_of: a, per_gpu: 7}\n", /gpu_types\.a\.slice_of: a is no type of whole GPUs/],
  [
    "nodes:\n  n:\n    slices:\n      a: [0]\n",
    "f.yaml:4: nodes.n.slices.a: gpu_types has no a with slice_of",
  ],
  [
    "gpu_types:\n  a: {slice_of: g, per_gpu: 7}\n  b: {slice_of: g, per_gpu: 2}\nnodes:\n  n:\n    slices:\n      a: [0]\n      b: [1, 0]\n",
    "f.yaml:8: nodes.n.slices.b.1: g 0 is cut into a already",
  ],
  ["tls_cert: a.pem\n", "f.yaml:1: tls_cert: tls_cert and tls_key go together"],
  [
    "behind_proxy: [proxy.example.com]\n",
    /^f\.yaml:1: behind_proxy\.0: must be an address such as 10\.0\.0\.5/,
  ],
  ["public_url: gpu.example.com\n", /^f\.yaml:1: public_url: Invalid URL/],
  ["a: [1\n", /^f\.yaml:\d: this is not YAML: /],
  ["listen: a\nlisten: b\n", /^f\.yaml:2: this is not YAML: Map keys must be unique/],
  ["- a\n", /^f\.yaml:1: the file: Invalid input: expected object/],
  ["a: b\nc: d\n", "f.yaml:1: a: there is no such key; f.yaml:2: c: there is no such key"],
  [
    "gpu_types:\n  h100:\n    memory: postgres://u:secret@h/db\n",
    /^f\.yaml:3: gpu_types\.h100\.memory: "postgres:\/\/…@h\/db" is not understood; write 80G /,
  ],
  ["postgres://u:se@cret@h: 1\n", "f.yaml:1: postgres://…@h: there is no such key"],
  ["a: postgres://u:b@h\n- postgres://u:secret@h\n", /^f\.yaml:\d: this is not YAML: (?!.*secret)/],
  [`simulate: [${"x".repeat(100)}]\n`, /^f\.yaml:1: simulate\.0: "x{79}…" is not understood/],
  [`${"x".repeat(100)}: 1\n`, `f.yaml:1: ${"x".repeat(79)}…: there is no such key`],
])("%j: %s", (text, words) => {
  if (typeof words === "string") expect(faultOf(text)).toBe(words);
  else expect(faultOf(text)).toMatch(words);
});

async function homeWith(text?: string) {
  const dir = await mkdtemp(join(tmpdir(), "gd-config-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const file = join(dir, "server.yaml");
  if (text !== undefined) await writeFile(file, text);
  return { home: { configDir: dir, stateDir: dir }, file };
}

test("flags go before the file, and the file before the defaults", async () => {
  const { home, file } = await homeWith("listen: 127.0.0.1:1\ndomain: from.file\nsimulate: [h100:8x2]\n");
  const options = await openConfig({ home, listen: "127.0.0.1:2" });
  expect(options).toMatchObject({
    listen: "127.0.0.1:2",
    domain: "from.file",
    logLevel: "info",
    configFile: file,
  });
  expect(options.simulate).toEqual([{ gpuType: "h100", count: 8, nodes: 2 }]);
  expect(await openConfig({ ...(await homeWith()), simulate: [] })).toMatchObject({
    listen: "127.0.0.1:4780",
  });
});

test("the driver of the flag goes before the file's, with the hosts of the file where it names none", async () => {
  const { home } = await homeWith(
    "driver: local\ndocker:\n  hosts: [{name: box, url: ssh://gpu-1}]\n  image: own\n",
  );
  expect((await openConfig({ home })).driver).toEqual({ driver: "local" });
  expect(await openConfig({ home, driver: { driver: "docker" } })).toMatchObject({
    driver: { driver: "docker" },
    docker: { hosts: [{ name: "box", url: "ssh://gpu-1" }], image: "own" },
  });
});

test("labels of a host may be written as numbers and truths, which they are not", async () => {
  const { home } = await homeWith(
    "docker:\n  hosts: [{url: ssh://gpu-1, labels: {rack: 4, nvlink: true, zone: eu-a}}]\n",
  );
  const labels = { rack: "4", nvlink: "true", zone: "eu-a" };
  expect((await openConfig({ home })).docker?.hosts).toEqual([{ url: "ssh://gpu-1", labels }]);
});

test("X-01 the database's URL may stand in a file of its own, whose contents no error repeats", async () => {
  const { home, file } = await homeWith("");
  const secret = join(home.configDir, "url");
  await writeFile(file, `database_file: ${secret}\n`);
  await expect(openConfig({ home })).rejects.toThrow(`database_file ${secret} cannot be read (ENOENT)`);
  await writeFile(secret, "mysql://u:hunter2@h/db\n");
  const error = await openConfig({ home }).catch((refused: Error) => refused.message);
  expect(error).toBe(`database_file ${secret} holds no URL that begins with postgres://`);
  await writeFile(secret, "postgres://u:hunter2@h/db\n");
  expect(await openConfig({ home })).toMatchObject({
    databaseUrl: "postgres://u:hunter2@h/db",
    secretFiles: [secret],
  });
  expect(faultOf("database: postgres://a@b/c\ndatabase_file: d\n")).toBe(
    "f.yaml:2: database_file: database says it already",
  );
});

test("X-09 pods do not see what the files of the configuration hold", async () => {
  const logins = "logins: {github: {client_id: a, client_secret_file: /s/github, allow: {users: [ann]}}}\n";
  const { home } = await homeWith(`tls_cert: /s/crt\ntls_key: /s/key\n${logins}`);
  expect(await openConfig({ home })).toMatchObject({ secretFiles: ["/s/key", "/s/github"] });
});

test("a file that was asked for and cannot be read stops the start", async () => {
  const { home, file } = await homeWith();
  await expect(openConfig({ home, configFile: file })).rejects.toThrow(`${file} cannot be read (ENOENT)`);
  await expect(readSettings(home.configDir)).rejects.toThrow("cannot be read (EISDIR)");
  await writeFile(file, `# ${"x".repeat(1024 * 1024)}`);
  await expect(readSettings(file)).rejects.toThrow("is larger than 1048576 bytes");
});

/** All that is told of it, in order. */
function listener(): { told: unknown[]; to: Told } {
  const told: unknown[] = [];
  return {
    told,
    to: { count: (outcome) => told.push(outcome), record: (_file, change) => void told.push(change) },
  };
}

test("reading again takes the types and limits, says what waits for a restart, and keeps what was when it is wrong", async () => {
  const { home, file } = await homeWith("gpu_types: {h100: {max_duration: 1h}}\n");
  const options = await openConfig({ home });
  const log: string[] = [];
  const logger = createLogger("info", { write: (line) => log.push(line) });
  let changes = 0;
  options.live?.onChange(async () => {
    changes++;
  });
  const hours = () => (options.live?.catalogue().get("h100")?.maxDurationS ?? 0) / 3600;
  const { told, to } = listener();

  await writeFile(file, "gpu_types: {h100: {max_duration: 2h}}\nlisten: 127.0.0.1:9\n");
  await reloadConfig(options, logger, to);
  expect([hours(), changes]).toEqual([2, 1]);
  expect(log.map((line) => JSON.parse(line))).toMatchObject([
    { msg: "the configuration was read again" },
    { msg: "changes of these keys take effect with a restart", keys: ["listen"] },
  ]);

  await writeFile(file, "gpu_types: {h100: {max_duration: nine}}\n");
  await reloadConfig(options, logger, to);
  expect([hours(), changes]).toEqual([2, 1]);
  expect(log.at(-1)).toContain(`${file}:1: gpu_types.h100.max_duration`);
  expect(log.at(-1)).toContain("what was read before stays");

  await rm(file);
  await reloadConfig({ ...options, configFile: file }, logger, to);
  expect(log.at(-1)).toContain("ENOENT");
  const change = { changed: ["gpu_types.h100.max_duration"], restart: ["listen"] };
  expect(told).toEqual(["taken", change, "invalid", "unreadable"]);
});

test("what is different is told by the names of the keys, whatever came, went or changed", async () => {
  const { home, file } = await homeWith(
    "limits: {tunnels_per_user: 3}\ncors_origins: ['https://a.example']\n",
  );
  const options = await openConfig({ home });
  const logger = createLogger("silent", { write: () => true });
  const { told, to } = listener();
  for (const text of [
    "limits: {tunnels_per_user: 4, requests_per_token: 9}\ndatabase: 'postgres://u:hunter2@h/d'\n",
    "# the same\nlimits: {tunnels_per_user: 4, requests_per_token: 9}\n",
    "gpu_types: {h100: {max_duration: 2h}}\n",
  ]) {
    await writeFile(file, text);
    await reloadConfig(options, logger, to);
  }
  expect(told).toEqual([
    "taken",
    {
      changed: ["limits.tunnels_per_user", "limits.requests_per_token", "cors_origins"],
      restart: ["database"],
    },
    // What waits for a restart is compared with what the server was started with.
    "taken",
    "taken",
    { changed: ["limits", "gpu_types"], restart: [] },
  ]);
  expect(JSON.stringify(told)).not.toContain("hunter2");
});

test("a change that cannot be passed on is said to be just that", async () => {
  const { home, file } = await homeWith("");
  const options = await openConfig({ home });
  const log: string[] = [];
  const logger = createLogger("info", { write: (line) => log.push(line) });
  options.live?.onChange(() => Promise.reject(new Error("no database")));
  const { to } = listener();
  await writeFile(file, "gpu_types: {h100: {max_duration: 2h}}\nlisten: 127.0.0.1:9\n");
  await reloadConfig(options, logger, to);
  expect(options.live?.catalogue().get("h100")?.maxDurationS).toBe(7200);
  expect(log.map((line) => JSON.parse(line))).toMatchObject([
    { msg: "the configuration was read again" },
    { msg: "changes of these keys take effect with a restart", keys: ["listen"] },
    {
      msg: "what was read again did not reach the database yet; it is tried again",
      err: { message: "no database" },
    },
  ]);
});

test("two signals at once read the file one after another, and more of them together once more", async () => {
  const begun: PromiseWithResolvers<void>[] = [];
  const reload = inTurn(() => {
    const work = Promise.withResolvers<void>();
    begun.push(work);
    return work.promise;
  });
  const [first, second, third] = [reload(), reload(), reload()];
  // Those of one moment are one.
  expect([second, third]).toEqual([first, first]);
  await expect.poll(() => begun.length).toBe(1);
  const [later, latest] = [reload(), reload()];
  expect(latest).toBe(later);
  expect(later).not.toBe(first);
  begun[0]?.reject(new Error("no file"));
  await expect(first).rejects.toThrow("no file");
  await expect.poll(() => begun.length).toBe(2);
  begun[1]?.resolve();
  await later;
});
