/** A user whose token is of no server: it outlives them all. */
import type { User } from "../../src/api/accounts.ts";
import { createCore } from "../../src/core/core.ts";
import { issueToken } from "../../src/core/people/issue.ts";
import { createUser } from "../../src/core/people/users.ts";
import type { Store } from "../../src/store/db.ts";
import { createFakeDriver } from "./fake-driver.ts";

/** The token. */
export async function makeUser(store: Store, name: string, role: User["role"]): Promise<string> {
  const core = createCore({
    store,
    driver: createFakeDriver(),
    settings: { domain: "soak.test" },
    log: () => undefined,
    probe: async () => ({ ok: true }),
  });
  const { id } = await createUser(core, name, role);
  return (await issueToken(core, id, { label: name })).token;
}
