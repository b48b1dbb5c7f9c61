/** A server with a certificate of its own: the built command and OpenSSH through TLS, while the certificate changes. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { type Certificates, makeCertificates } from "../helpers/certificates.ts";
import { type Done, runProgram, temporaryHome } from "../helpers/gpu-dev.ts";
import { readPage } from "../helpers/prometheus.ts";
import { environment, type ServerProcess, startServerProcess } from "../helpers/server-process.ts";

const cli = join(import.meta.dirname, "..", "..", "bin", "gpu-dev.js");
const { home, remove } = temporaryHome();
let server: ServerProcess;
let first: Certificates;
let second: Certificates;

const put = ({ dir }: Certificates): void => {
  copyFileSync(join(dir, "server.pem"), join(home, "tls.crt"));
  copyFileSync(join(dir, "server.key"), join(home, "tls.key"));
};
const trusting = (authority: string) => ({ ...environment(home), NODE_EXTRA_CA_CERTS: authority });
const gpuDev = (authority: string, ...args: string[]): Promise<Done> =>
  runProgram(process.execPath, [cli, ...args], { env: trusting(authority) });

beforeAll(async () => {
  const certificates = (name: string): Certificates => {
    mkdirSync(join(home, name));
    return makeCertificates(join(home, name), ["127.0.0.1"]);
  };
  [first, second] = [certificates("first"), certificates("second")];
  put(first);
  const [cert, key] = [join(home, "tls.crt"), join(home, "tls.key")];
  const file = join(home, "tls.yaml");
  writeFileSync(file, `tls_cert: ${cert}\ntls_key: ${key}\nmetrics_listen: 127.0.0.1:0\n`);
  const args = ["--simulate", "h100:1", "--config", file];
  server = await startServerProcess({ home, args, env: { NODE_EXTRA_CA_CERTS: first.authority } });
});
afterAll(async () => {
  await gpuDev(second.authority, "cancel", "secure", "--yes");
  expect(await server.stop()).toBe(0);
  remove();
});

test("X-06 T-17 commands and ssh come in by TLS, and sessions go on while the certificate changes", async () => {
  expect(server.url).toMatch(/^https:\/\/127\.0\.0\.1:/);
  const made = await gpuDev(
    first.authority,
    "reserve",
    "--gpu-type",
    "cpu",
    "--time",
    "1h",
    "--name",
    "secure",
  );
  expect(made).toMatchObject({ code: 0 });
  const ssh = ["-F", join(home, "ssh_config"), "secure"];
  const session = spawn("ssh", [...ssh, "cat"], { env: trusting(first.authority), stdio: "pipe" });
  const echo = async (text: string): Promise<string> => {
    session.stdin.write(text);
    const [answer] = await once(session.stdout, "data");
    return String(answer);
  };
  expect(await echo("before")).toBe("before");

  put(second);
  process.kill(server.pid, "SIGHUP");
  await vi.waitFor(() => expect(server.log()).toContain("a new TLS certificate is shown"), {
    timeout: 60_000,
  });
  expect(await echo("after")).toBe("after");
  session.stdin.end();
  expect(await once(session, "exit")).toEqual([0, null]);

  const [known, unknown] = [second, first].map(({ authority }) => authority) as [string, string];
  expect(await gpuDev(known, "connect", "secure", "--", "exit 7")).toMatchObject({ code: 7 });
  const refused = await gpuDev(unknown, "list");
  expect(refused.code).not.toBe(0);
  expect(refused.stderr).toMatch(/NODE_EXTRA_CA_CERTS/);
});

test("X-06 a new pair that is bad is told, and the one before stays", async () => {
  writeFileSync(join(home, "tls.key"), "nonsense");
  process.kill(server.pid, "SIGHUP");
  await vi.waitFor(() => expect(server.log()).toContain("the one before stays"), { timeout: 60_000 });
  put(second);
  expect(await gpuDev(second.authority, "list")).toMatchObject({ code: 0 });
});

test("A-15 the listener for metrics asks for no token, and answers nothing else", async () => {
  const { url } = JSON.parse(/^.*metrics are told.*$/m.exec(server.log())?.[0] ?? "{}") as { url: string };
  expect(url).toMatch(/^http:\/\/127/);
  const get = async (path: string): Promise<{ status: number; text: string }> => {
    const response = await fetch(`${url}${path}`);
    return { status: response.status, text: await response.text() };
  };
  const page = await get("/metrics");
  expect(page.status).toBe(200);
  expect(readPage(page.text).has("gpu_dev_tls_certificate_end_timestamp_seconds")).toBe(true);
  expect(JSON.parse((await get("/readyz")).text)).toMatchObject({ status: "ok" });
  for (const path of ["/v1/reservations", "/v1/me", "/openapi.json", "/v1/tunnel/abc"])
    expect(JSON.parse((await get(path)).text)).toMatchObject({ code: "unknown_route" });
});
