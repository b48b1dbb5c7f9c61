/**
 * A gateway as a process of its own, in front of a port of this machine: prints its own port, and tells at GET / what its
 * tunnels do. With a directory of test/helpers/certificates.ts it speaks TLS.
 * Usage: gateway-process.ts POD-PORT [ADDRESS [DIRECTORY]] [--port PORT] [--detach-ms MS]
 */
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createGateway } from "../../src/tunnel/gateway.ts";
import { dialPort } from "./sshd.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { port: { type: "string", default: "0" }, "detach-ms": { type: "string", default: "300000" } },
});
const [podPort, address = "127.0.0.1", tlsDir] = positionals;

const gateway = createGateway({
  name: "own",
  maxPerUser: 100,
  maxPerReservation: 100,
  detachMs: Number(values["detach-ms"]),
  log: () => undefined,
  admit: async ({ reservation }) => ({
    userId: "u1",
    reservationId: reservation,
    dial: () => dialPort(Number(podPort)),
    recheck: async () => undefined,
  }),
});
const file = (name: string): Buffer => readFileSync(join(tlsDir ?? "", name));
const tell: RequestListener = (_, response) => response.end(JSON.stringify(gateway.state()));
const server = tlsDir
  ? createTlsServer({ key: file("server.key"), cert: file("server.pem") }, tell)
  : createServer(tell);
server.on("upgrade", (request, socket, head) => gateway.handleUpgrade(request, socket, head));
server.listen(Number(values.port), address, () => console.log((server.address() as AddressInfo).port));
