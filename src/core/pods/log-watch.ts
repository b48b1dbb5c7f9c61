/** Following what is said of a reservation, to its end. */
import { Problem } from "../../api/errors.ts";
import type { Core } from "../core.ts";
import type { Outlet, Watch } from "../live.ts";
import type { Guard } from "../watches.ts";
import { type LifeSeen, type LogQuery, readLife, withPods } from "./logs.ts";

/**
 * `lines` with a page as the route has it: first what there is, then what comes, each line once; and `end` when it is over and all is
 * sent. Its first look throws what `readLife` does.
 */
export function watchLogs(core: Core, guard: Guard, id: string, given: LogQuery, outlet: Outlet): Watch {
  let query = given;
  let begun = false;
  let asking = false;
  const end = (problem: Problem): void =>
    outlet.end({ event: "problem", data: JSON.stringify(problem.document()) });
  const send = async (seen: LifeSeen): Promise<void> => {
    const page = await withPods(core, seen, query);
    if (!begun || page.items.length > 0)
      outlet.send({ event: "lines", id: page.position, data: JSON.stringify(page) });
    begun = true;
    query = { ...given, tail: undefined, after: page.position };
    if (page.ended) outlet.end({ event: "end", data: JSON.stringify({ state: seen.row.state }) });
  };
  /** The driver is asked when the snapshot of the database is given back; one question at a time. */
  const ask = async (seen: LifeSeen): Promise<void> => {
    asking = true;
    try {
      await send(seen);
    } catch (error) {
      if (!(error instanceof Problem))
        core.log("error", { reservation_id: id, err: error }, "a log cannot be followed");
      end(error instanceof Problem ? error : new Problem("internal", "the log cannot be read"));
    } finally {
      asking = false;
    }
  };
  return {
    ready: () => !asking && outlet.ready(),
    end,
    async look(db, now) {
      const seen = await readLife(db, await guard.caller(db, now), id, query);
      return () => void ask(seen);
    },
  };
}
