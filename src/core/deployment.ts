/** What is settled at the first start and kept with the database. */
import type { Store } from "../store/db.ts";
import { clearLeases } from "../store/leases.ts";
import { metaOr } from "../store/meta.ts";
import { newId } from "./ids.ts";

/** The deployment's own id, by which its pods are told from those of others (L-12). */
export function deploymentId(store: Store): Promise<string> {
  return store.write((tx) => metaOr(tx, "deployment_id", newId()));
}

/**
 * Where the local driver of this database has its pods; `place` if it had none before. A server at another place knows nothing
 * of them: it would take live pods for lost ones, and give their GPUs away (S-01).
 */
export function localDriverPlace(store: Store, place: string): Promise<string> {
  return store.write((tx) => metaOr(tx, "local_driver", place));
}

/** For the one process that brings reservations forward: whoever had one in hand is dead. */
export function forgetLeases(store: Store): Promise<void> {
  return store.write(clearLeases);
}
