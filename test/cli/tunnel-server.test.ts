import { expect, test } from "vitest";
import type { Context } from "../../src/cli/context.ts";
import { tunnelServer } from "../../src/cli/ssh/tunnel-server.ts";

const server = (env: Record<string, string>) =>
  tunnelServer({
    env,
    home: { configDir: "/nowhere", stateDir: "/nowhere" },
    global: { context: undefined },
  } as unknown as Context)();

test("commands that open tunnels themselves send them where the ssh-proxy does", () => {
  const env = { GPU_DEV_URL: "http://127.0.0.1:1", GPU_DEV_TOKEN: "t" };
  expect(server(env)).toMatchObject({ url: "http://127.0.0.1:1", token: "t" });
  expect(server({ ...env, GPU_DEV_TUNNEL_URL: "https://gateway" })).toMatchObject({
    url: "https://gateway",
    token: "t",
    origin: "GPU_DEV_TUNNEL_URL",
  });
});
