import { expect, test } from "vitest";
import { EventReader, type ServerEvent } from "../../src/api/event-stream.ts";
import { chosenSeed, randomFrom } from "../helpers/random.ts";

function readAll(text: string, cut = [text.length]): { events: ServerEvent[]; reader: EventReader } {
  const bytes = Buffer.from(text);
  const reader = new EventReader();
  const events: ServerEvent[] = [];
  let from = 0;
  for (const to of [...cut, bytes.length]) {
    events.push(...reader.read(bytes.subarray(from, to)));
    from = Math.max(from, to);
  }
  return { events, reader };
}

test.each([
  ["a named event", "event: entry\ndata: {}\n\n", [{ event: "entry", data: "{}" }]],
  ["one without a name", "data: x\n\n", [{ event: "message", data: "x" }]],
  [
    "several lines of data",
    "data: YHOO\ndata: +2\ndata: 10\n\n",
    [{ event: "message", data: "YHOO\n+2\n10" }],
  ],
  ["comments", ": still here\n\n:\n\ndata:x\n\n", [{ event: "message", data: "x" }]],
  ["one blank after the colon only", "data:  x\n\n", [{ event: "message", data: " x" }]],
  ["a field without a colon", "data\n\n", [{ event: "message", data: "" }]],
  ["two empty lines of data", "data\ndata\n\n", [{ event: "message", data: "\n" }]],
  ["an event without data", "event: lost\n\ndata: x\n\n", [{ event: "message", data: "x" }]],
  ["an unknown field", "colour: red\ndata: x\n\n", [{ event: "message", data: "x" }]],
  [
    "every end of line",
    "data: a\r\rdata: b\r\n\r\ndata: c\n\n",
    ["a", "b", "c"].map((data) => ({ event: "message", data })),
  ],
  ["a byte order mark", "\ufeffdata: x\n\n", [{ event: "message", data: "x" }]],
  ["an end that is no blank line", "data: whole\n\ndata: cut off\n", [{ event: "message", data: "whole" }]],
])("%s", (_name, text, events) => {
  expect(readAll(text).events).toEqual(events);
});

test("the id is that of the last event, and stays over events without one", () => {
  const { reader } = readAll("id: 7\ndata: x\n\ndata: y\n\nid: 8\ndata: not whole\n");
  expect(reader.lastEventId).toBe("7");
  expect(readAll("id: 7\ndata: x\n\nid\ndata: y\n\n").reader.lastEventId).toBe("");
  expect(readAll("id: 7\ndata: x\n\nid: a\0b\ndata: y\n\n").reader.lastEventId).toBe("7");
  expect(new EventReader("5").lastEventId).toBe("5");
});

test("retry is digits only", () => {
  expect(readAll("retry: 1500\n\n").reader.retryMs).toBe(1500);
  expect(readAll("retry: 1.5\nretry: soon\n\n").reader.retryMs).toBeUndefined();
});

test("how the bytes are cut makes no difference (seeded)", () => {
  const seed = chosenSeed();
  console.log(`event stream seed ${seed}`);
  const random = randomFrom(seed);
  const text =
    'id: 1\r\nevent: entry\r\ndata: {"a":"é – 😀"}\r\n\r\n: here\r\rdata: b\rdata: c\n\nretry: 9\n\nid: 2\ndata: d\n\n';
  const whole = readAll(text);
  for (let round = 0; round < 300; round++) {
    const cuts = Array.from({ length: 6 }, () => Math.floor(random() * Buffer.byteLength(text)));
    const { events, reader } = readAll(
      text,
      cuts.toSorted((a, b) => a - b),
    );
    expect(events).toEqual(whole.events);
    expect([reader.lastEventId, reader.retryMs]).toEqual(["2", 9]);
  }
});

test("an event without an end is refused before it fills the memory", () => {
  const reader = new EventReader();
  const piece = Buffer.from(`data: ${"x".repeat(1024 * 1024)}\n`);
  expect(() => {
    for (let i = 0; i < 20; i++) reader.read(piece);
  }).toThrow(RangeError);
});
