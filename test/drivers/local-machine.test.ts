/** This machine behind a breaker: what counts as its fault, and what as an answer. */
import { expect, test, vi } from "vitest";
import { DriverError, LaunchRefused } from "../../src/drivers/driver.ts";
import { Machine } from "../../src/drivers/local/machine.ts";

function open(lateMs?: number) {
  const world = { now: 0, logged: [] as string[] };
  const machine = new Machine({
    log: (_fields, message) => world.logged.push(message),
    now: () => world.now,
    ...(lateMs !== undefined && { lateMs }),
  });
  return { world, logged: world.logged, machine };
}
const fault = (code: string, errno: number) => async () => {
  throw Object.assign(new Error(`${code}: /srv/pods/x`), { code, errno });
};

test("B-10 O-04 a machine whose file system fails is not asked for a while, says why and until when, and both are logged once", async () => {
  const { world, machine, logged } = open();
  for (let i = 0; i < 3; i++) await expect(machine.ask(fault("EIO", -5))).rejects.toThrow(DriverError);
  const asked = vi.fn(async () => 1);
  for (let i = 0; i < 2; i++)
    await expect(machine.ask(asked)).rejects.toThrow(
      "the server's machine cannot be asked: EIO: i/o error; it is asked again in 1 s",
    );
  expect(asked).not.toHaveBeenCalled();
  expect(machine.state()).toEqual({ answered: 0, failed: 3, refused: 2, down: true });
  world.now += 1000;
  expect(await machine.ask(asked)).toBe(1);
  expect(machine.state()).toMatchObject({ down: false });
  expect(logged).toEqual([
    "this machine does not answer the local driver",
    "this machine answers the local driver again",
  ]);
});

test("B-10 what is said of one pod is an answer, whatever it is: it stops nobody", async () => {
  const { machine, logged } = open();
  const answers = [
    fault("ENOENT", -2),
    fault("ENOSPC", -28),
    fault("EACCES", -13),
    () => Promise.reject(new DriverError("the pod does not run")),
    () => Promise.reject(new LaunchRefused("no such GPU")),
    () => Promise.reject(new Error("a bug")),
  ];
  for (let i = 0; i < 3; i++)
    for (const answer of answers) await expect(machine.ask(answer)).rejects.toThrow();
  expect(machine.state()).toMatchObject({ failed: 0, refused: 0, down: false });
  expect(logged).toEqual([]);
});

test("B-10 calls that hang are enough to ask no more, and when one of them comes back it is asked again", async () => {
  const { machine } = open(1);
  const gate = Promise.withResolvers<number>();
  const hanging = [1, 2, 3].map(() => machine.ask(() => gate.promise));
  await expect.poll(() => machine.state().down, { timeout: 30_000 }).toBe(true);
  gate.resolve(7);
  expect(await Promise.all(hanging)).toEqual([7, 7, 7]);
  expect(machine.state()).toMatchObject({ answered: 3, failed: 3, down: false });
});
