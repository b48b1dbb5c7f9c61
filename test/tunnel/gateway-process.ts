/** A gateway as a process of its own, in front of a port of this machine: prints its own port. Usage: gateway-process.ts PORT */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { createGateway } from "../../src/tunnel/gateway.ts";
import { dialPort } from "./sshd.ts";

const gateway = createGateway({
  name: "own",
  maxPerUser: 100,
  maxPerReservation: 100,
  log: () => undefined,
  admit: async ({ reservation }) => ({
    userId: "u1",
    reservationId: reservation,
    dial: () => dialPort(Number(process.argv[2])),
    recheck: async () => undefined,
  }),
});
const server = createServer();
server.on("upgrade", (request, socket, head) => gateway.handleUpgrade(request, socket, head));
server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
