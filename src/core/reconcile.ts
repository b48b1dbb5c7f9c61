/**
 * The loop that brings reservations forward. It looks at rows and takes those that are due under a lease; a signal only
 * wakes it earlier. Many servers may run it on one database.
 */
import { claimDue, dropLease, type Lease, nextDue, type Rest, renewLeases, settle } from "../store/leases.ts";
import { nextDelivery } from "../store/webhooks.ts";
import { advance } from "./advance.ts";
import { SYSTEM } from "./change.ts";
import { createConditions } from "./conditions.ts";
import type { Core } from "./core.ts";
import { createDiskWorker } from "./disks/worker.ts";
import { BUSY_STATES, glance, QUIET_STATES } from "./glance.ts";
import { Hurried } from "./hurried.ts";
import { newId } from "./ids.ts";
import { createPlanner } from "./planning/planner.ts";
import type { Work } from "./steps/work.ts";
import { createSweeps } from "./sweep.ts";
import { createCourier } from "./webhooks/courier.ts";

export interface Reconciler {
  /** Starts it if it does not run. */
  start(): void;
  /** Waits for the steps in hand, at most 3 s; what is left undone is taken up by the next start. */
  stop(): Promise<void>;
  /** Resolves when nothing is due and nothing is being done; for tests, which own the clock. */
  idle(): Promise<void>;
}

/** What a dead server had in hand is taken over after this and a tick: within 30 s with room to spare. */
const LEASE_MS = 15_000;
const RENEW_MS = 5000;
/** At the latest after this long it looks again: another server may have freed a GPU. */
const TICK_MS = 1000;
const STOP_MS = 3000;
/** After an error that nobody intended the reservation rests this long, and the others go on. */
const ASIDE_MS = 10_000;
const MAX_IN_HAND = 16;
const MAX_AT_A_GLANCE = 100;
const ALL_STATES = [...QUIET_STATES, ...BUSY_STATES];

export function createReconciler(core: Core): Reconciler {
  let run: Run | undefined;
  return {
    start() {
      run ??= new Run(core);
    },
    async stop() {
      const stopping = run;
      run = undefined;
      await stopping?.stop();
    },
    async idle() {
      await run?.idle();
    },
  };
}

/** From one start to its stop. Its leases carry a name of their own, so that what is left of it cannot write later. */
class Run {
  readonly #core: Core;
  readonly #lease: Lease = { owner: newId(), ms: LEASE_MS };
  readonly #abort = new AbortController();
  /** By reservation or operation on a disk, and the sweeps and the glance. */
  readonly #inHand = new Map<string, Promise<void>>();
  readonly #conditions;
  readonly #planner;
  readonly #sweeps;
  readonly #courier;
  readonly #disks;
  readonly #hurried;
  readonly #wake = () => {
    this.#woken = true;
    this.#bell.resolve();
  };
  #woken = false;
  /** Our own changes wake it by themselves; another server may have made work, or freed GPUs. */
  readonly #onChanged = (ids: readonly string[], elsewhere: boolean) => {
    this.#planner.changed(ids);
    if (elsewhere) this.#wake();
  };
  #bell = Promise.withResolvers<void>();
  #rested = Promise.withResolvers<void>();
  readonly #loop: Promise<void>;

  constructor(core: Core) {
    this.#core = core;
    this.#conditions = createConditions(core.log);
    this.#planner = createPlanner(core, this.#conditions);
    this.#sweeps = createSweeps(core, this.#conditions);
    this.#courier = createCourier(core, this.#conditions, this.#abort.signal, this.#wake);
    this.#disks = createDiskWorker(core, this.#lease, this.#abort.signal, this.#conditions);
    this.#hurried = new Hurried(core.driver, this.#wake);
    core.signals.on("wake", this.#wake);
    core.signals.on("changed", this.#onChanged);
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#abort.abort();
    this.#hurried.stop();
    this.#core.signals.off("wake", this.#wake);
    this.#core.signals.off("changed", this.#onChanged);
    this.#wake();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => {
      timer = setTimeout(resolve, STOP_MS, "late");
    });
    const done = this.#loop.then(() => Promise.all([...this.#inHand.values(), this.#courier.done()]));
    if ((await Promise.race([done, late])) === "late")
      this.#core.log("warn", { steps: this.#inHand.size }, "stopped without waiting for steps in hand");
    clearTimeout(timer);
  }

  async idle(): Promise<void> {
    // The first rest may be from before the caller's last change, the second is not.
    for (let i = 0; i < 2; i++) {
      const rested = this.#rested.promise;
      this.#wake();
      await rested;
    }
  }

  async #run(): Promise<void> {
    while (!this.#abort.signal.aborted) {
      this.#bell = Promise.withResolvers<void>();
      this.#woken = false;
      const ms = await this.#conditions.watch("reconciler", "looking for work failed", () => this.#pass());
      if (ms === undefined || ms > 0) await this.#sleep(Math.min(ms ?? TICK_MS, TICK_MS));
    }
    this.#rested.resolve();
  }

  async #sleep(ms: number): Promise<void> {
    const timer = setTimeout(this.#wake, ms);
    await this.#bell.promise;
    clearTimeout(timer);
  }

  /** One look; the milliseconds until the next one, 0 for at once. */
  async #pass(): Promise<number> {
    const now = await this.#core.store.now();
    for (const [name, due] of this.#sweeps) {
      const sweep = due(now);
      if (sweep) this.#hold(name, sweep());
    }
    const start = await this.#planner.look(now);
    const { busy, quiet, disks } = await this.#claim();
    for (const id of busy) this.#takeUp(id);
    for (const id of disks) if (!this.#inHand.has(id)) this.#hold(id, this.#disks.work(id));
    if (quiet.length > 0) this.#hold("glance", this.#glance(quiet));
    const open = this.#inHand.has("glance") ? BUSY_STATES : ALL_STATES;
    const { dues, delivery } = await this.#core.store.read(async (db) => ({
      dues: [await nextDue(db, open), await this.#disks.next(db)],
      delivery: await nextDelivery(db),
    }));
    const post = await this.#courier.begin(delivery, now);
    const next = [...dues, start, post].filter((at) => at !== undefined).sort()[0];
    const ms = next === undefined ? TICK_MS : Date.parse(next) - now.getTime();
    // What ended during this look may have left something to do that it did not see.
    if (ms > 0 && this.#inHand.size === 0 && this.#courier.idle() && !this.#woken) {
      this.#rested.resolve();
      this.#rested = Promise.withResolvers<void>();
    }
    // Full hands wake it when one gets free.
    return this.#inHand.size >= MAX_IN_HAND ? TICK_MS : ms;
  }

  #hold(key: string, work: Promise<void>): void {
    const held = work.finally(() => {
      this.#inHand.delete(key);
      this.#wake();
    });
    this.#inHand.set(key, held);
  }

  /** A step whose lease ran out (the database was away) and was claimed again is still in hand: the claim renewed it. */
  #takeUp(id: string): void {
    if (!this.#inHand.has(id)) this.#hold(id, this.#work(id));
  }

  #free(): number {
    return Math.max(0, MAX_IN_HAND - this.#inHand.size);
  }

  /** What is due: some to be worked on, and all that will hardly need it, for one glance at a time. */
  async #claim(): Promise<{ busy: string[]; quiet: string[]; disks: string[] }> {
    const free = this.#free();
    const many = this.#inHand.has("glance") ? 0 : MAX_AT_A_GLANCE;
    const none = { busy: [], quiet: [], disks: [] };
    if (free + many === 0) return none;
    const { hurried, ...claimed } = await this.#core.store.write(async (tx) => {
      // Looked at after the transaction read its time: what a stopped loop gave up is the next one's, from that instant on.
      if (this.#abort.signal.aborted) return { ...none, hurried: undefined };
      return {
        hurried: await this.#hurried.makeDue(tx),
        busy: await claimDue(tx, this.#lease, free, BUSY_STATES),
        quiet: await claimDue(tx, this.#lease, many, QUIET_STATES),
        disks: await this.#disks.claim(tx),
      };
    });
    hurried?.();
    return claimed;
  }

  async #glance(ids: readonly string[]): Promise<void> {
    const renewal = this.#keepLeases(ids);
    try {
      const { rests, eventful } = await this.#core.trace("glance", { reservations: ids.length }, () =>
        glance(this.#workAs(), ids),
      );
      const settled = new Set(await this.#giveBack(rests));
      const left = [...eventful, ...rests.map((rest) => rest.id).filter((id) => !settled.has(id))];
      await this.#takeUpSome(left);
    } catch (error) {
      this.#core.log("error", { reservations: ids.length, err: error }, "a glance failed; they rest a while");
      for (const id of ids) if (!this.#inHand.has(id)) await this.#putAside(id);
    } finally {
      clearInterval(renewal);
    }
  }

  #giveBack(rests: readonly Rest[]): Promise<string[]> {
    if (rests.length === 0) return Promise.resolve([]);
    return this.#core.store.write((tx) => settle(tx, this.#lease.owner, rests));
  }

  /** As many as there are hands; the others are due as before, for whoever is next. */
  async #takeUpSome(ids: readonly string[]): Promise<void> {
    const free = this.#abort.signal.aborted ? 0 : this.#free();
    for (const id of ids.slice(0, free)) this.#takeUp(id);
    const others = ids.slice(free).filter((id) => !this.#inHand.has(id));
    if (others.length === 0) return;
    await this.#core.store.write(async (tx) => {
      for (const id of others) await dropLease(tx, this.#lease.owner, id);
    });
  }

  /** Brings one reservation as far as it goes now. */
  async #work(id: string): Promise<void> {
    const renewal = this.#keepLeases([id]);
    try {
      await advance(this.#workAs(), id);
    } catch (error) {
      this.#core.log(
        "error",
        { reservation_id: id, err: error },
        "a step failed; the reservation rests a while",
      );
      await this.#putAside(id);
    } finally {
      clearInterval(renewal);
    }
  }

  #workAs(): Work {
    const by = { actor: SYSTEM, leasedBy: this.#lease.owner };
    return { core: this.#core, by, signal: this.#abort.signal };
  }

  #keepLeases(ids: readonly string[]): NodeJS.Timeout {
    return setInterval(() => this.#renew(ids), RENEW_MS);
  }

  async #renew(ids: readonly string[]): Promise<void> {
    await this.#conditions.watch("renew", "leases could not be renewed", () =>
      this.#core.store.write((tx) => renewLeases(tx, this.#lease, ids)),
    );
  }

  async #putAside(id: string): Promise<void> {
    await this.#conditions.watch("put aside", "a lease could not be given back", () =>
      this.#core.store.write((tx) =>
        dropLease(tx, this.#lease.owner, id, new Date(tx.now.getTime() + ASIDE_MS).toISOString()),
      ),
    );
  }
}
