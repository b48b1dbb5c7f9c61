/** The deployment's own id, by which its pods are told from those of others (L-12). */
import type { Store } from "../store/db.ts";
import { metaOr } from "../store/meta.ts";
import { newId } from "./ids.ts";

/** Made at the first start, and kept with the database. */
export function deploymentId(store: Store): Promise<string> {
  return store.write((tx) => metaOr(tx, "deployment_id", newId()));
}
