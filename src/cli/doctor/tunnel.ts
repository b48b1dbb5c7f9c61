/** A real round trip through the tunnel: this machine, proxy, gateway, the pod's sshd, and back. */
import { PassThrough } from "node:stream";
import { setTimeout as pause } from "node:timers/promises";
import type { Reservation } from "../../api/reservations.ts";
import { TunnelClient, type TunnelOptions } from "../../tunnel/client.ts";
import type { Context } from "../context.ts";
import { label } from "../output/reservation.ts";
import { type Finding, failure, ok } from "./finding.ts";

const SSH_PORT = 22;
/** A pod that is stopped, or out of memory, takes connections and says nothing. */
const SILENCE_MS = 10_000;
/** Nobody has it: the gateway's refusal shows that upgrades get there. */
const NOBODYS = "aaaaaaaaaaaaaaaaaaaa";
/** RFC 4253, section 4.2: after this line the other side sends its key exchange. */
const IDENTIFICATION = "SSH-2.0-gpu-dev_doctor\r\n";
const FIX = "GPU_DEV_SSH_DEBUG=FILE writes a trace of each tunnel; the README tells of proxies.";

/** Through an active reservation of the caller's if there is one, else as far as the gateway. */
export async function checkTunnel(ctx: Context, server: TunnelOptions["server"]): Promise<Finding> {
  const { items } = await ctx.api().listReservations({ query: { state: "active", limit: "1" } });
  return items[0] ? await roundTrip(items[0], server) : await reachGateway(server);
}

function open(id: string, server: TunnelOptions["server"]) {
  const [stdin, stdout] = [new PassThrough(), new PassThrough()];
  const pod = async () => ({ reservation: id, node: 0 });
  const client = new TunnelClient({ server, pod, port: SSH_PORT, stdin, stdout, setUpMs: 0 });
  return { client, stdin, stdout };
}

async function roundTrip(r: Reservation, server: TunnelOptions["server"]): Promise<Finding> {
  const start = performance.now();
  const { client, stdin, stdout } = open(r.id, server);
  const over = new AbortController();
  const silence = async (): Promise<never> => {
    await pause(SILENCE_MS, undefined, { signal: over.signal });
    throw new Error(`the pod's sshd said nothing for ${SILENCE_MS / 1000} s`);
  };
  const next = async (): Promise<number> => {
    const bytes = new Promise<void>((resolve) => stdout.once("data", () => resolve()));
    const end = await Promise.race([bytes, client.done, silence()]);
    if (end) throw new Error(end.message ?? "the tunnel ended before anything came");
    return performance.now();
  };
  try {
    const greeted = await next();
    stdin.write(IDENTIFICATION);
    const answered = await next();
    const words = `opened in ${Math.round(greeted - start)} ms, echo ${(answered - greeted).toFixed(1)} ms`;
    return ok("tunnel", `to ${label(r)} and its sshd: ${words}`);
  } catch (error) {
    return failure("tunnel", `to ${label(r)}: ${(error as Error).message}`, FIX);
  } finally {
    over.abort();
    client.hangUp();
    await client.done;
  }
}

async function reachGateway(server: TunnelOptions["server"]): Promise<Finding> {
  const start = performance.now();
  const { client } = open(NOBODYS, server);
  const { code, message } = await client.done;
  const ms = Math.round(performance.now() - start);
  if (code === "not_found")
    return ok(
      "tunnel",
      `the gateway answers in ${ms} ms; with an active reservation (gpu-dev reserve), a whole round trip is tried`,
    );
  return failure("tunnel", message ?? "the gateway ended it", FIX);
}
