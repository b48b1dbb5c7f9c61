/** Forwarding ports for as long as it is wanted, in the foreground or as the process in the background. */
import { closeSync, writeSync } from "node:fs";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";
import { print } from "../output/output.ts";
import { label } from "../output/reservation.ts";
import { AccessWatch } from "./access-watch.ts";
import { announce, type BackgroundForward, runningForwards } from "./background.ts";
import { forwardOutput, IN_BACKGROUND } from "./forward-background.ts";
import { Forwarding, type ForwardWish, type PortPair } from "./forward-ports.ts";
import { tunnelServer } from "./tunnel-server.ts";

/** The pipe on which who started the process in the background waits. */
const READY = 3;

/** Listens, says where, and goes on until Ctrl-C, `--stop`, or the end of the reservation; the exit code. */
export async function runForward(ctx: Context, r: Reservation, wish: ForwardWish): Promise<number> {
  const watch = new AccessWatch(ctx, r);
  const interrupt = ctx.watchInterrupt(["SIGINT", "SIGTERM", "SIGHUP"]);
  const { address, node } = wish;
  const forwarding = new Forwarding({
    id: r.id,
    node,
    address,
    server: tunnelServer(ctx),
    say: (line) => ctx.say(line),
    endsAll: (code) => watch.mayBeOver(code),
  });
  let announced: Awaited<ReturnType<typeof announce>> | undefined;
  try {
    const forwards = [];
    for (const pair of wish.pairs) {
      const { local, remote } = await listen(ctx, forwarding, pair);
      forwards.push({ address, port: local, pod_port: remote });
    }
    if (ctx.env[IN_BACKGROUND]) {
      const forward = { ...inBackground(ctx, r, node), forwards };
      announced = await announce(ctx.home.stateDir, forward);
      // One that nobody waits for any more ends with that.
      writeSync(READY, `${JSON.stringify(forward)}\n`);
      closeSync(READY);
    } else await print(ctx, forwardOutput({ id: r.id, name: r.name, forwards }));
    if (ctx.io.stderr.isTTY) ctx.say("Ctrl-C ends it.");
    return await watch.untilOver(
      announced ? AbortSignal.any([interrupt.signal, announced.told]) : interrupt.signal,
    );
  } finally {
    await forwarding.close();
    await announced?.close();
    interrupt.stop();
  }
}

const inBackground = (
  ctx: Context,
  { id, name }: Reservation,
  node: number,
): Omit<BackgroundForward, "forwards"> => ({
  ...{ pid: process.pid, id, name, node },
  started_at: ctx.clock.now().toISOString(),
});

/** A port that one of ours has is said to be so, with the way to get it back. */
async function listen(ctx: Context, forwarding: Forwarding, pair: PortPair): Promise<PortPair> {
  try {
    return await forwarding.listen(pair);
  } catch (error) {
    if (!(error instanceof CliError) || error.code !== "port_taken") throw error;
    const running = await runningForwards(ctx.home.stateDir);
    const holder = running.find(({ forwards }) => forwards.some(({ port }) => port === pair.local));
    if (!holder) throw error;
    const what = `port ${pair.local} is forwarded to ${label(holder)} in the background already`;
    throw new CliError(error.code, error.exit, what, {
      hint: `\`gpu-dev forward --stop ${pair.local}\` ends that; \`:${pair.remote}\` takes a free local port.`,
      cause: error,
    });
  }
}
