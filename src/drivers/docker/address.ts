/** Where a Docker Engine is, and how a connection to it is made. */
import { spawn } from "node:child_process";
import { Agent } from "node:http";
import type { Duplex } from "node:stream";
import type { EngineAddress } from "../../api/engine-url.ts";
import { Problem } from "../../api/errors.ts";
import { ChildStream } from "./child-stream.ts";
import { Pool, readCredentials, TlsPool } from "./pool.ts";

/** Files in PEM: the authority that the engine's certificate is of, and what the engine knows this server by. */
export interface EngineTls {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** What node:http and node:https are told to get there. */
export interface Route {
  readonly secure: boolean;
  readonly options: {
    readonly agent: Agent;
    readonly socketPath?: string;
    readonly host?: string;
    readonly port?: number;
  };
}

/** Throws Problem for TCP without TLS: whoever reaches such a port is root there. */
export async function routeTo(address: EngineAddress, tls: EngineTls | undefined): Promise<Route> {
  if (address.kind === "unix")
    return { secure: false, options: { agent: new Agent(), socketPath: address.path } };
  if (address.kind === "ssh")
    return { secure: false, options: { agent: new Pool(() => connectBySsh(address)) } };
  if (!tls)
    throw new Problem(
      "invalid_input",
      `a Docker Engine at tcp://${address.host}:${address.port} needs TLS, or whoever reaches the port is root there: give its host tls with ca, cert and key, or use ssh://`,
    );
  await readCredentials(tls);
  return { secure: true, options: { agent: new TlsPool(tls), host: address.host, port: address.port } };
}

/** Each connection is `docker system dial-stdio` over ssh, as Docker's own client does it: with the user's keys, agent, ssh_config and known_hosts. */
function connectBySsh({ target, port }: EngineAddress & { kind: "ssh" }): Duplex {
  const options = ["BatchMode=yes", "ConnectTimeout=10", "ServerAliveInterval=15"];
  const args = [
    "-T",
    ...options.flatMap((option) => ["-o", option]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    "--",
    target,
    "docker system dial-stdio",
  ];
  return new ChildStream(spawn("ssh", args, { stdio: "pipe" }));
}
