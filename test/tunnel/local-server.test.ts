/** The server that the ssh-proxy finds by server.json, while it is being restarted. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cleanEnv, DOMAIN, HOST, outcome, type Rig, TOKEN } from "./rig.ts";
import { given } from "./scene.ts";

const trace = (rig: Rig): string => join(rig.home.stateDir, "trace");

function startProxy(rig: Rig, retry: string): ChildProcess {
  rmSync(join(rig.home.configDir, "credentials.json"));
  const { stateDir } = rig.home;
  const where = ["--context", "local", "--domain", DOMAIN, "--home", stateDir, "--retry", retry];
  return spawn(process.execPath, [rig.proxy, ...where, "--", HOST, "22"], {
    env: { ...cleanEnv(), GPU_DEV_SSH_DEBUG: trace(rig) },
  });
}

const announce = (rig: Rig, pid: number | undefined): void =>
  writeFileSync(join(rig.home.stateDir, "server.json"), JSON.stringify({ url: rig.url, token: TOKEN, pid }));

test.each(["has died", "is not there"])(
  "T-12 X-09 while the server %s nothing is dialled, and then the bytes flow",
  async (how) => {
    const { rig, pod } = await given();
    if (how === "has died") announce(rig, spawnSync("true").pid);
    const proxy = startProxy(rig, "30");
    await expect.poll(() => existsSync(trace(rig)) && readFileSync(trace(rig), "utf8")).toContain(" pause ");
    announce(rig, process.pid);
    proxy.stdin?.write("hello");
    await expect.poll(() => pod.accepted.length).toBe(1);
    const [socket] = pod.accepted;
    if (!socket) throw new Error("no connection");
    expect(String((await once(socket, "data"))[0])).toBe("hello");
    socket.end("bye");
    expect(await outcome(proxy)).toMatchObject({ code: 0, stdout: Buffer.from("bye"), stderr: "" });
  },
);

test("T-06 X-09 a server that has died is told, and what listens in its place gets no token", async () => {
  const { rig } = await given();
  announce(rig, spawnSync("true").pid);
  const end = await outcome(startProxy(rig, "0"));
  expect(end).toMatchObject({ code: 255, stdout: Buffer.alloc(0) });
  expect(end.stderr).toMatch(
    /^gpu-dev: the server of \S+server\.json does not run any more; start it again[^\n]*\n$/,
  );
  expect(rig.logs).toEqual([]);
});
