/**
 * A gateway as a process of its own, in front of a port of this machine: prints its own port. With a directory of
 * test/helpers/certificates.ts it speaks TLS. Usage: gateway-process.ts PORT [ADDRESS [DIRECTORY]]
 */
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createGateway } from "../../src/tunnel/gateway.ts";
import { dialPort } from "./sshd.ts";

const [, , podPort, address = "127.0.0.1", tlsDir] = process.argv;

const gateway = createGateway({
  name: "own",
  maxPerUser: 100,
  maxPerReservation: 100,
  log: () => undefined,
  admit: async ({ reservation }) => ({
    userId: "u1",
    reservationId: reservation,
    dial: () => dialPort(Number(podPort)),
    recheck: async () => undefined,
  }),
});
const file = (name: string): Buffer => readFileSync(join(tlsDir ?? "", name));
const server = tlsDir
  ? createTlsServer({ key: file("server.key"), cert: file("server.pem") })
  : createServer();
server.on("upgrade", (request, socket, head) => gateway.handleUpgrade(request, socket, head));
server.listen(0, address, () => console.log((server.address() as AddressInfo).port));
