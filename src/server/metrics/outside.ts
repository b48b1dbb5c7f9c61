/** What this process asks outside of the deployment, and what of it is taken for down. */
import type { OutsideService } from "../../api/breaker.ts";
import { type Families, setTotal } from "./families.ts";

/** Declares them; the answer asks the services. Without services there is nothing to declare. */
export function outsideFamilies(families: Families, services: readonly OutsideService[]): () => void {
  if (services.length === 0) return () => undefined;
  const requests = families.counter(
    "gpu_dev_outside_requests_total",
    "Requests of this process to services outside: answered, failed, or refused because the service is taken for down",
    { service: [], outcome: [] },
  );
  const down = families.gauge(
    "gpu_dev_outside_down",
    "1 for a service outside that failed again and again, and is not asked for a while",
    { service: [] },
  );
  return () => {
    const states = services.map((service) => ({ name: service.name, ...service.state() }));
    setTotal(
      requests,
      states.flatMap(({ name, down: _, ...counts }) =>
        Object.entries(counts).map(([outcome, count]) => [{ service: name, outcome }, count] as const),
      ),
    );
    for (const { name, down: isDown } of states) down.set({ service: name }, isDown ? 1 : 0);
  };
}
