/** A pod whose image takes its time, and comes when nobody wants the pod any more. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { advance } from "../../src/core/advance.ts";
import { SYSTEM } from "../../src/core/change.ts";
import { cancelReservation } from "../../src/core/edit.ts";
import { openStore } from "../../src/store/db.ts";
import { claimOne } from "../../src/store/leases.ts";
import { worldOn } from "../core/world.ts";
import { createClock } from "../helpers/clock.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { INSECURE, noRegistry, registryFolder, startRegistry } from "../helpers/registry.ts";
import { DockerRig } from "./docker-rig.ts";

const PATIENCE = { timeout: 60_000, interval: 50 };
const LEASE = { owner: "stalled", ms: 15_000 };

/** What comes in for `host`, held until it is opened. */
async function gateTo(host: string): Promise<{ host: string; open(): void; close(): void }> {
  const [address = "", port] = host.split(":");
  const { promise: opened, resolve: open } = Promise.withResolvers<void>();
  const server = createServer(async (client) => {
    client.on("error", () => undefined);
    await opened;
    const registry = connect(Number(port), address);
    registry.on("error", () => client.destroy());
    client.pipe(registry).pipe(client);
  }).listen(0, address);
  await once(server, "listening");
  return { host: `${address}:${(server.address() as AddressInfo).port}`, open, close: () => server.close() };
}

describe.skipIf(noDockerEngine() ?? noRegistry())("a launch that goes on", () => {
  test("L-05 L-12 whoever began with it takes the pod back at once when another server has brought the reservation to its end", async () => {
    const engine = await DockerEngine.start({ gpus: false, args: INSECURE });
    onTestFinished(() => engine.stop());
    const { folder, remove } = registryFolder();
    onTestFinished(remove);
    const registry = await startRegistry(engine.address, folder);
    onTestFinished(() => registry.stop());
    await engine.docker("tag", await engine.image("busybox"), `${registry.host}/team/box:1`);
    await engine.docker("push", `${registry.host}/team/box:1`);
    const gate = await gateTo(registry.host);
    onTestFinished(() => gate.close());

    const rigs = [0, 1].map(() => DockerRig.make(engine, { image: `${gate.host}/team/box:1` }));
    const [first, second] = (await Promise.all(rigs)) as [DockerRig, DockerRig];
    const clock = createClock();
    const store = await openStore({ url: `sqlite:${join(first.options.dataDir, "test.db")}`, clock });
    const [slow, other] = [
      await worldOn(store, clock, await first.open()),
      await worldOn(store, clock, await second.open()),
    ];
    onTestFinished(async () => {
      await Promise.all([slow.driver.close(), other.driver.close()]);
      await Promise.all([slow.core.tokenUses.written(), other.core.tokenUses.written()]);
      await store.close();
      await Promise.all([first.close(), second.close()]);
    });

    const id = await slow.reserve();
    await store.write((tx) => claimOne(tx, LEASE, id));
    const by = { actor: SYSTEM, leasedBy: LEASE.owner };
    await advance({ core: slow.core, by, signal: new AbortController().signal }, id);
    expect(await slow.show(id)).toMatchObject({ state: "preparing", launched_at: expect.any(String) });
    expect(await slow.driver.inspect(`${id}-1`)).toMatchObject({ state: "starting" });

    other.reconciler.start();
    await cancelReservation(other.core, other.ann, id);
    const cancelled = async () => {
      await other.after(1000);
      return (await other.show(id)).state;
    };
    await expect.poll(cancelled, PATIENCE).toBe("cancelled");
    await other.reconciler.stop();
    expect((await other.driver.list()).pods).toEqual([]);

    gate.open();
    const told = () => slow.logs.map(({ message }) => message);
    await expect.poll(told, PATIENCE).toContain("took back a pod that came too late");
    expect(await first.remains(`${id}-1`)).toEqual([]);
  });
});
