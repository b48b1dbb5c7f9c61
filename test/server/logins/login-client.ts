/** A rig at which people log in, seen by a client without a token. */
import { onTestFinished } from "vitest";
import { createClient, type RefusedRequest } from "../../../src/api/client.ts";
import type { ProblemDocument } from "../../../src/api/errors.ts";
import type { LoginResult } from "../../../src/api/logins.ts";
import type { Provider } from "../../../src/core/logins/providers.ts";
import { loginSettings } from "../../../src/server/config/logins.ts";
import type { TestEngine } from "../../helpers/engines.ts";
import { openRig } from "../rig.ts";

/** Logins at this provider, on a database of its own that goes with the test. */
export async function openLogins(engine: TestEngine, provider: Provider) {
  const rig = await openRig(engine, { logins: { providers: [provider], tokenTtlS: 3600 } });
  onTestFinished(() => rig.close());
  const api = createClient({
    url: "",
    token: undefined,
    version: "99.0.0-test",
    fetch: async (path, init) => rig.app.request(path, init),
  });
  return {
    rig,
    api,
    begin: () => api.beginLogin({ body: { with: provider.kind } }),
    finish: (login: string) => api.finishLogin({ body: { login } }),
  };
}

/** The problem of what was refused; fails the test for what was not. */
export async function refused(work: Promise<unknown>): Promise<ProblemDocument> {
  try {
    await work;
  } catch (error) {
    return (error as RefusedRequest).problem;
  }
  throw new Error("it was not refused");
}

export function done(result: LoginResult): Extract<LoginResult, { state: "done" }> {
  if (result.state === "done") return result;
  throw new Error(`the login is ${result.state}`);
}

/** Settings as the configuration file has them, with what it leaves out. */
export function settingsOf<K extends "oidc" | "github" | "aws">(kind: K, given: object) {
  const settings = loginSettings.parse({ [kind]: given })[kind];
  if (!settings) throw new Error(`there are no settings of ${kind}`);
  return settings;
}
