/** While an operation is worked on: its lease is renewed and its progress written, at most each second; who loses the lease stops. */
import type { Progress } from "../../drivers/disks.ts";
import { updateOperation } from "../../store/disk-operations.ts";
import type { OperationRow } from "../../store/disk-tables.ts";
import type { Lease } from "../../store/leases.ts";
import type { Conditions } from "../conditions.ts";
import type { Core } from "../core.ts";

const BEAT_MS = 1000;
/** Without progress so many beats pass before the lease is renewed. */
const QUIET_BEATS = 5;
/** So long before its lease can have run out, an owner stops that could not renew it: to break off the work takes a moment. */
const MARGIN_MS = 3000;

export interface Keeping {
  readonly progress: Progress & { readonly signal: AbortSignal };
  /** As far as it has come. */
  seen(): Partial<OperationRow>;
  stop(): Promise<void>;
}

export function keepLease(
  core: Core,
  lease: Lease,
  { id, snapshot_id }: Pick<OperationRow, "id" | "snapshot_id">,
  stopped: AbortSignal,
  conditions: Conditions,
): Keeping {
  const lost = new AbortController();
  let now: { done_bytes: number; total_bytes: number | null } | undefined;
  let written: typeof now;
  let quiet = 0;
  let writing: Promise<unknown> | undefined;
  // Real time, whatever the clock is set to; the lease was taken a moment ago.
  let renewed = performance.now();
  const renew = async (): Promise<void> => {
    quiet = 0;
    const telling = now;
    const asked = performance.now();
    const mine = await core.store.write((tx) => {
      const leased_until = new Date(tx.now.getTime() + lease.ms).toISOString();
      return updateOperation(tx, { id, snapshot_id, leasedBy: lease.owner }, { ...telling, leased_until });
    });
    written = telling;
    if (mine) renewed = asked;
    else lost.abort();
  };
  const beat = async (): Promise<void> => {
    if (now !== written || ++quiet >= QUIET_BEATS) await renew();
  };
  const timer = setInterval(() => {
    if (performance.now() - renewed > lease.ms - MARGIN_MS) lost.abort();
    writing ??= conditions.watch("disk lease", "leases could not be renewed", beat).finally(() => {
      writing = undefined;
    });
  }, BEAT_MS);
  const told = (done: number, total: number | undefined): void => {
    now = { done_bytes: Math.round(done), total_bytes: total === undefined ? null : Math.round(total) };
  };
  const signal = AbortSignal.any([stopped, lost.signal]);
  const confirm = async (): Promise<void> => {
    await renew();
    signal.throwIfAborted();
  };
  return {
    progress: Object.assign(told, { signal, confirm }),
    seen: () => ({ ...now }),
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
