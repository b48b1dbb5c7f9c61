/** The whole server within the process of a test: a real database, the local driver with one simulated H100, a real port. */
import { join } from "node:path";
import { type Client, createClient } from "../../src/api/client.ts";
import { homeOf } from "../../src/api/home.ts";
import { VERSION } from "../../src/api/version.ts";
import { type RunningServer, type ServerOptions, startServer } from "../../src/server/main.ts";

interface OwnServer {
  readonly server: RunningServer;
  /** As its own user. */
  readonly api: Client;
}

/** All that it writes is below `parent`. */
export async function startOwnServer(parent: string, given: Partial<ServerOptions> = {}): Promise<OwnServer> {
  const server = await startServer({
    dataDir: join(parent, "data"),
    listen: "127.0.0.1:0",
    simulate: [{ gpuType: "h100", count: 1 }],
    logLevel: "silent",
    isolation: "processes",
    home: homeOf({ GPU_DEV_HOME: join(parent, "home") }, parent),
    logTo: { write: () => undefined },
    ...given,
  });
  const { url, token } = server;
  return { server, api: createClient({ url, token, fetch, version: VERSION }) };
}
