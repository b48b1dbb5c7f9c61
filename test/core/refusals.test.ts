/** That refusals are kept, and that guessing does not fill the database. */
import { expect, test } from "vitest";
import { Problem } from "../../src/api/errors.ts";
import { Refusals } from "../../src/core/audit/refusals.ts";
import { LoginRefused } from "../../src/core/logins/providers.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld } from "./world.ts";

const [engine] = engines;
if (!engine) throw new Error("there is no engine");
const fresh = freshDatabases(engine.create);

test("O-03 of the refusals of a minute 20 are written one by one, of the others the number", async () => {
  const { core, rows } = await makeWorld(await fresh());
  let now = 0;
  const refusals = new Refusals(core, () => now);
  const guess = (i: number) =>
    refusals.note(
      new Problem("not_logged_in", "the token is unknown"),
      `GET /v1/${i}`,
      undefined,
      "10.0.0.1",
    );
  const written = async () => {
    await refusals.written();
    return (await rows("audit")).filter(({ action }) => action === "access.refuse");
  };
  for (let i = 0; i < 1000; i++) guess(i % 50);
  expect(await written()).toHaveLength(20);
  expect((await written())[0]).toMatchObject({ actor: "anonymous", from_address: "10.0.0.1" });
  now += 59_999;
  guess(3);
  expect(await written()).toHaveLength(20);
  now += 1;
  guess(3);
  const [summary] = (await written()).filter(({ subject }) => subject === "others");
  // 30 of the 50 ways were not written; each was tried 20 times.
  expect(summary).toMatchObject({
    ...{ actor: "anonymous", outcome: "not_logged_in", detail: "600 more in a minute before this one" },
  });
  expect(await written()).toHaveLength(22);
  refusals.note(new Problem("not_found", "there is none"), "GET /v1/x", "u");
  expect(await written()).toHaveLength(22);
});

test("O-03 X-01 what a user was refused is written, whatever strangers and other users try meanwhile", async () => {
  const { core, rows } = await makeWorld(await fresh());
  const refusals = new Refusals(core, () => 0);
  const refuse = (code: "not_logged_in" | "not_allowed", i: number, user?: string) =>
    refusals.note(new Problem(code, "no"), `GET /v1/${i}`, user, "10.0.0.1");
  for (let i = 0; i < 100; i++) refuse("not_logged_in", i);
  for (let i = 0; i < 100; i++) refuse("not_allowed", i, "eve");
  refuse("not_allowed", 1, "mallory");
  await refusals.written();
  const actors = (await rows("audit")).map(({ actor }) => actor);
  const counts = ["anonymous", "eve", "mallory"].map((who) => actors.filter((one) => one === who).length);
  expect(counts).toEqual([20, 20, 1]);
});

test("O-03 how many were not written of somebody who never comes again is told with whoever comes next", async () => {
  const { core, rows } = await makeWorld(await fresh());
  let now = 0;
  const refusals = new Refusals(core, () => now);
  const refuse = (user: string, i: number) =>
    refusals.note(new Problem("not_allowed", "no"), `GET /v1/${i}`, user, "10.0.0.1");
  for (let i = 0; i < 25; i++) refuse("eve", i);
  now += 60_000;
  refuse("mallory", 0);
  await refusals.written();
  const others = (await rows("audit")).filter(({ subject }) => subject === "others");
  expect(others.map(({ actor, detail }) => [actor, detail])).toEqual([
    ["eve", "5 more in a minute before this one"],
  ]);
});

test("O-03 refused logins, and those that are begun, are bounded each by themselves", async () => {
  const { core, rows } = await makeWorld(await fresh());
  let now = 0;
  const refusals = new Refusals(core, () => now);
  const refused = (name: string) =>
    refusals.noteLogin(
      new LoginRefused(
        { provider: "https://sso.test", subject: `sub-of-${name}`, name },
        "not_allowed",
        "no",
        "ask",
      ),
      undefined,
    );
  const counts = async () => {
    await refusals.written();
    const actions = (await rows("audit")).map(({ action }) => action);
    return ["access.refuse", "login.refuse", "login.begin"].map((a) => actions.filter((b) => b === a).length);
  };
  for (let i = 0; i < 100; i++)
    refusals.note(new Problem("not_logged_in", "no"), `GET /v1/${i}`, undefined, "a");
  for (let i = 0; i < 100; i++) refused("eve");
  for (let i = 0; i < 100; i++) refusals.noteBegun("oidc");
  expect(await counts()).toEqual([20, 1, 1]);
  for (let i = 0; i < 100; i++) refused(`guess-${i}`);
  expect(await counts()).toEqual([20, 20, 1]);
  now += 60_000;
  refused("eve");
  // That one, and how many the last minute had; of refusals too, though none came since.
  expect(await counts()).toEqual([21, 22, 1]);
  const problem = new Problem("not_allowed", "no");
  refusals.noteLogin(problem, undefined);
  refusals.note(problem, "POST /v1/logins/finish", undefined);
  refusals.noteLogin(new Problem("unavailable", "the provider is away"), undefined);
  expect(await counts()).toEqual([21, 23, 1]);
});
