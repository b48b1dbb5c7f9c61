import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { ByteQueue } from "../../src/tunnel/byte-queue.ts";

function drain(queue: ByteQueue, max: number): Buffer {
  const parts: Buffer[] = [];
  for (let part = queue.take(max); part; part = queue.take(max)) parts.push(part);
  return Buffer.concat(parts);
}

test("bytes come out as they went in, whatever the sizes", () => {
  const queue = new ByteQueue();
  const given: Buffer[] = [];
  const taken: Buffer[] = [];
  for (let i = 0; i < 3000; i++) {
    const piece = randomBytes([1, 7, 300, 8191, 8192, 70_000][i % 6] ?? 1);
    given.push(piece);
    queue.push(piece);
    if (i % 3 === 0) taken.push(queue.take(5000) ?? Buffer.alloc(0));
  }
  const waiting = queue.length;
  const rest = drain(queue, 100_000);
  expect(rest).toHaveLength(waiting);
  expect(Buffer.concat([...taken, rest]).equals(Buffer.concat(given))).toBe(true);
  expect(queue.length).toBe(0);
});

test("what was taken does not change when more is pushed", () => {
  const queue = new ByteQueue();
  queue.push(Buffer.from("a"));
  queue.push(Buffer.from("b"));
  const [a, b] = [queue.take(1), queue.take(1)];
  queue.push(Buffer.from("c"));
  expect(`${a}${b}${queue.take(9)}`).toBe("abc");
});

test("T-09 a window of one-byte pieces costs about its own size", () => {
  const queue = new ByteQueue();
  const piece = Buffer.from("x");
  const before = process.memoryUsage();
  for (let i = 0; i < 4 * 1024 * 1024; i++) queue.push(piece);
  const after = process.memoryUsage();
  const grown = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  expect(queue.length).toBe(4 * 1024 * 1024);
  expect(grown).toBeLessThan(8 * 1024 * 1024);
});

test("taking nothing from a queue leaves it as it is", () => {
  const queue = new ByteQueue();
  expect(queue.take(5)).toBeUndefined();
  queue.push(Buffer.from("abc"));
  expect(queue.take(0)).toHaveLength(0);
  expect(queue.length).toBe(3);
  queue.clear();
  expect(queue.take(5)).toBeUndefined();
});
