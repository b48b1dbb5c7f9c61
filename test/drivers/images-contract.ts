/** Images of pods: from a real registry, with and without logins, and those that cannot be had; one suite for every engine. */
import { expect, test } from "vitest";
import { BASH } from "../../src/drivers/docker/tools.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";
import { ANN } from "../helpers/registry.ts";
import { untilRunning } from "./contract.ts";
import type { ImagesRig } from "./images-rig.ts";

/** The commands of the user that asks. */
const OWN = `for p in /proc/[0-9]*; do
  [ -O $p ] && mapfile -d "" words <$p/cmdline && echo "\${words[*]}"
done 2>/dev/null; true`;

/** The rig is there when a test runs. */
export function imagesContract(rig: () => ImagesRig): void {
  test("an image without sshd and bash is pulled, and one logs in", async () => {
    const driver = await rig().driver();
    const spec = await rig().named(driver, `${rig().open.host}/team/busybox:1`);
    expect(await rig().launch(driver, spec)).toBeUndefined();
    await untilRunning(driver, spec.name);
    expect(await rig().inPod(driver, spec, "echo hello")).toBe("hello\n");
  });

  test("an image's own entrypoint runs beside sshd where that is asked for, as the image's user", async () => {
    const driver = await rig().driver();
    const name = await rig().pushed("distroless");
    for (const keep of [true, false]) {
      const more = keep ? ({ keepEntrypoint: true } as const) : {};
      const spec = await rig().named(driver, name, more);
      expect(await rig().launch(driver, spec)).toBeUndefined();
      await untilRunning(driver, spec.name);
      const container = (await rig().engine.docker("ps", "--quiet", "--filter", `name=${spec.name}`)).trim();
      const running = () => rig().engine.docker("exec", "--user", "65532", container, BASH, "-c", OWN);
      if (keep) await expect.poll(running).toMatch(/^\/app\/busybox sleep 100000$/m);
      else expect(await running()).not.toContain("sleep 100000");
    }
  });

  test("L-11 with which status an entrypoint ended is told, and the pod goes on", async () => {
    const driver = await rig().driver();
    // A shell that finds nothing to read.
    const spec = await rig().named(driver, await rig().pushed("busybox"), { keepEntrypoint: true });
    expect(await rig().launch(driver, spec)).toBeUndefined();
    const remark = "the image's entrypoint ended with status 0";
    const told = () => driver.inspect(spec.name, { remark: true });
    await expect.poll(told).toEqual({ state: "running", remark });
    expect((await driver.logs(spec.name)).map(({ text }) => text)).toContain(remark);
  });

  test("with a login it comes, and who has none does not get it from the host that has it by now", async () => {
    const driver = await rig().driver();
    const ref = `${rig().closed.host}/team/busybox:1`;
    const first = await rig().named(driver, ref, { registryLogins: { [rig().closed.host]: ANN } });
    expect(await rig().launch(driver, first)).toBeUndefined();
    const exact = `${rig().closed.host}/team/busybox@${rig().digest}`;
    const again = await rig().named(driver, exact, { registryLogins: { [rig().closed.host]: ANN } });
    expect(await rig().launch(driver, again)).toBeUndefined();
    const others = await rig().launch(driver, await rig().named(driver, exact));
    expect(others).toBeInstanceOf(LaunchRefused);
    expect(String(others)).toContain(`gpu-dev registry login ${rig().closed.host}`);
    for (const registryLogins of [{}, { [rig().closed.host]: { ...ANN, password: "wrong" } }]) {
      const refused = await rig().launch(driver, await rig().named(driver, ref, { registryLogins }));
      expect(refused).toBeInstanceOf(LaunchRefused);
      expect(String(refused)).toContain(`gpu-dev registry login ${rig().closed.host}`);
      expect(String(refused)).not.toContain("wrong");
    }
  });

  test("the operator's login is for those who have none of their own", async () => {
    const logins = async () => ({ [rig().closed.host]: ANN });
    const driver = await rig().ruled({ logins });
    expect(
      await rig().launch(driver, await rig().named(driver, `${rig().closed.host}/team/busybox:1`)),
    ).toBeUndefined();
  });

  test("an image that is there by its id, or only on the host of somebody else, is no name", async () => {
    const driver = await rig().ruled({ pull: { patienceS: 0 } });
    const id = (
      await rig().engine.docker("images", "--quiet", "--no-trunc", await rig().engine.image("busybox"))
    ).slice(7, 19);
    expect(await rig().launch(driver, await rig().named(driver, id))).toBeInstanceOf(LaunchRefused);
  });

  test("L-06 L-11 what is not there, and what cannot be reached, are told apart", async () => {
    const driver = await rig().driver();
    const unknown = await rig().launch(
      driver,
      await rig().named(driver, `${rig().open.host}/team/busybox:2`),
    );
    expect(unknown).toBeInstanceOf(LaunchRefused);
    expect(String(unknown)).toContain(
      `there is no image ${rig().open.host}/team/busybox:2 at ${rig().open.host}`,
    );
    const hasty = await rig().ruled({ pull: { patienceS: 0 } });
    const away = await rig().registry();
    await away.stop();
    const unreachable = await rig().launch(hasty, await rig().named(hasty, `${away.host}/team/busybox:1`));
    expect(unreachable).toBeInstanceOf(LaunchRefused);
    expect(String(unreachable)).toMatch(/the registry \S+ cannot be reached .*; it was tried for 0s/);
    // It comes back, and what was asked for goes on.
    const spec = await rig().named(driver, `${away.host}/team/busybox:1`);
    const launching = rig().launch(driver, spec);
    await expect
      .poll(() => driver.inspect(spec.name))
      .toMatchObject({
        state: "starting",
        reason: expect.stringMatching(/cannot be reached.*; it is tried again$/),
      });
    await rig().registry();
    expect(await launching).toBeUndefined();
  });

  test("X-08 no user has an engine ask within its own network, but for registries that the operator names", async () => {
    const driver = await rig().ruled({ pull: { known: new Set() } });
    const spec = await rig().named(driver, `${rig().open.host}/team/busybox:1`);
    const refused = await rig().launch(driver, spec);
    expect(refused).toBeInstanceOf(LaunchRefused);
    expect(String(refused)).toContain("images.registries");
  });
}
