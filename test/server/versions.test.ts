/** What a server does for command lines of other versions. */
import { expect, test } from "vitest";
import { VERSION } from "../../src/api/version.ts";
import { MIN_CLI } from "../../src/api/versions.ts";
import { engineNamed, openRig, problemOf } from "./rig.ts";

test("A-19 a command line that is too old is refused before anything is done, and told what to upgrade", async () => {
  const rig = await openRig(engineNamed("sqlite"));
  const alice = await rig.person("alice");
  const create = (cli: string | undefined) =>
    rig.request(alice, "/v1/reservations", {
      method: "POST",
      body: JSON.stringify({ gpu_type: "h100", duration_s: 3600 }),
      headers: { "content-type": "application/json", ...(cli === undefined ? {} : { "gpu-dev-cli": cli }) },
    });
  const old = await create("0.0.9");
  expect(old.headers.get("gpu-dev-server")).toBe("1.2.3-test");
  expect(await problemOf(old)).toMatchObject({
    code: "cli_too_old",
    detail: `this server needs gpu-dev ${MIN_CLI} or newer, and yours is 0.0.9`,
    hint: expect.stringContaining("upgrade gpu-dev here"),
    retryable: false,
  });
  expect((await alice.api.listReservations({ query: { state: "all" } })).items).toEqual([]);
  for (const cli of [MIN_CLI, VERSION, "99.0.0-beta.1", undefined, "curl"])
    expect((await create(cli)).status, cli).toBe(201);
  const health = await rig.app.request("/healthz", { headers: { "gpu-dev-cli": "0.0.1" } });
  expect(health.status).toBe(200);
  expect((await alice.api.getDeployment({})).min_cli).toBe(MIN_CLI);
  await rig.close();
});
