import { afterEach, expect, test, vi } from "vitest";
import { createEventStream } from "../../src/server/event-stream.ts";

afterEach(() => vi.useRealTimers());

const read = async (reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> =>
  new TextDecoder().decode((await reader.read()).value);

test("a comment comes every 15 s, and stops with the stream", async () => {
  vi.useFakeTimers();
  const onClose = vi.fn();
  const stream = createEventStream(onClose);
  const reader = stream.response.body?.getReader();
  if (!reader) throw new Error("no body");
  expect(await read(reader)).toBe("retry: 1000\n\n");
  vi.advanceTimersByTime(15_000);
  expect(await read(reader)).toBe(": still here\n\n");
  stream.send({ event: "entry", id: 3, data: "{}" });
  expect(await read(reader)).toBe("id: 3\nevent: entry\ndata: {}\n\n");
  stream.end({ event: "end", data: "{}" });
  expect(await read(reader)).toBe("event: end\ndata: {}\n\n");
  expect((await reader.read()).done).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
  expect(onClose).toHaveBeenCalledTimes(1);
  stream.send({ event: "late", data: "{}" });
  stream.cut();
  expect(onClose).toHaveBeenCalledTimes(1);
});

test("T-09 what waits for a reader is bounded: past 256 KiB it says that it is not ready", async () => {
  const stream = createEventStream(() => undefined);
  let sent = 0;
  while (stream.ready()) {
    stream.send({ event: "list", data: "x".repeat(10_000) });
    sent += 10_000;
  }
  expect(sent).toBeLessThan(256 * 1024 + 20_000);
  const reader = stream.response.body?.getReader();
  for (let i = 0; i < 20; i++) await reader?.read();
  expect(stream.ready()).toBe(true);
  stream.cut();
});

test("a reader that goes away closes the stream once", async () => {
  const onClose = vi.fn();
  const stream = createEventStream(onClose);
  await stream.response.body?.cancel();
  expect(onClose).toHaveBeenCalledTimes(1);
  expect(stream.ready()).toBe(false);
});
