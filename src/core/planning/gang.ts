/** The pods of one reservation, taken together: a reservation on several nodes starts, fails and ends as a whole (L-15). */
import {
  type Activity,
  type Driver,
  type InspectAsk,
  type Later,
  LaunchRefused,
  type PodSpec,
  type PodUpdate,
  type PodView,
} from "../../drivers/driver.ts";
import type { ReservationRow } from "../../store/tables.ts";
import { podName } from "../pods/pod.ts";

type Pods = Pick<ReservationRow, "id" | "attempt" | "node_count" | "node">;

/** The node of its one pod; of several each has its own, which the driver finds. */
export const nodeOfPod = ({ node_count, node }: Pods): string | undefined =>
  node_count === 1 ? (node ?? undefined) : undefined;

/** In the order of their ranks. */
export const podNames = (row: Pods): string[] =>
  Array.from({ length: row.node_count }, (_, rank) => podName(row, rank));

/** What many views amount to: one dead pod is the end of all, one that is missing has to be launched, and only all run together. */
export function viewTogether(views: readonly PodView[]): PodView {
  for (const state of ["dead", "absent", "starting"] as const) {
    const rank = views.findIndex((view) => view.state === state);
    const view = views[rank];
    if (view)
      return views.length === 1 || !("reason" in view)
        ? view
        : { ...view, reason: `node ${rank}: ${view.reason}` };
  }
  const remark = views.map((view) => (view.state === "running" ? view.remark : undefined)).find(Boolean);
  return { state: "running", activity: activityOfAll(views), remark };
}

/** One that cannot tell leaves it open for all. */
function activityOfAll(views: readonly PodView[]): Activity | undefined {
  const each = views.map((view) => (view.state === "running" ? view.activity : undefined));
  const known = each.filter((activity) => activity !== undefined);
  if (known.length < views.length) return undefined;
  return {
    sessions: known.reduce((sum, { sessions }) => sum + sessions, 0),
    gpuBusy: known.some(({ gpuBusy }) => gpuBusy),
  };
}

/** The driver's view of all. A dead one tells enough; else one that could not be asked about leaves all unknown, and is thrown. */
export async function inspectPods(
  driver: Driver,
  row: Pods,
  ask: Omit<InspectAsk, "node">,
): Promise<PodView> {
  const where = { ...ask, node: nodeOfPod(row) };
  const asked = await Promise.allSettled(podNames(row).map((name) => driver.inspect(name, where)));
  const views = asked.map((one): PodView => (one.status === "fulfilled" ? one.value : { state: "running" }));
  const together = viewTogether(views);
  const failed = asked.find((one) => one.status === "rejected");
  if (failed && together.state !== "dead") throw failed.reason;
  return together;
}

/** Launches all that is not there yet; `later` is told of each that is still to come. Throws what is final (LaunchRefused) before what may pass. */
export const launchPods = (driver: Driver, specs: readonly PodSpec[], later: Later): Promise<void> =>
  allOrThrow(specs.map((spec) => driver.launch(spec, later)));

export const updatePods = (driver: Driver, row: Pods, change: PodUpdate): Promise<void> =>
  allOrThrow(podNames(row).map((name) => driver.update(name, change)));

/** Resolves when nothing of any is left. */
export const terminatePods = (driver: Driver, row: Pods): Promise<void> =>
  allOrThrow(podNames(row).map((name) => driver.terminate(name, nodeOfPod(row))));

/** Waits for all, so that nothing goes on behind the back of who asked; then throws, if one failed. */
async function allOrThrow(works: readonly Promise<void>[]): Promise<void> {
  const done = await Promise.allSettled(works);
  const errors: unknown[] = done.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  if (errors.length > 0) throw errors.find((error) => error instanceof LaunchRefused) ?? errors[0];
}
