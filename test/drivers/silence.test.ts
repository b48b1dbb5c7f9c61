/** Whether the other end is taken for silent. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { whenSilent } from "../../src/drivers/local-disks/silence.ts";

/** Both ends of a connection. */
async function connected(): Promise<[Socket, Socket]> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const here = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [[there]] = await Promise.all([once(server, "connection"), once(here, "connect")]);
  onTestFinished(() => {
    for (const end of [here, there, server]) end[end === server ? "close" : "destroy"]();
  });
  return [here, there];
}

test("D-06 who was held up himself reads what came meanwhile before he takes the other end for silent", async () => {
  const [here, there] = await connected();
  let silent = false;
  onTestFinished(
    whenSilent(there, 50, () => {
      silent = true;
    }),
  );
  const heard = once(there, "data");
  here.write("here\n");
  // As a call of the file system does: no timer runs, and nothing is read.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 300);
  await heard;
  expect(silent).toBe(false);
  await expect.poll(() => silent, { timeout: 20_000 }).toBe(true);
});
