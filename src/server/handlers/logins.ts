/** /v1/logins: for those who have no token yet. */
import { beginLogin, loginWays } from "../../core/logins/begin.ts";
import { finishLogin } from "../../core/logins/finish.ts";
import type { PublicHandlers } from "../handler.ts";

export const logins = {
  async listLogins({ core }) {
    return { body: { items: loginWays(core), next_cursor: null } };
  },
  async beginLogin({ core, body, limits, address }) {
    limits.begin(address);
    return { body: await beginLogin(core, body.with) };
  },
  async finishLogin({ core, body, limits, address }) {
    const result = await finishLogin(core, body);
    if (result.state === "done") limits.finished(address);
    return { body: result };
  },
} satisfies PublicHandlers;
