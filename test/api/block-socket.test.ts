/** A BlockSocket beside a real TCP server that sends a numbered stream: which memory it reads into, and when it does so again. */
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { BlockSocket } from "../../src/api/block-socket.ts";
import { NumberedReader, numbered } from "../tunnel/numbered.ts";

const MIB = 1024 * 1024;
const TOTAL = 8 * MIB;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

/** Connected to a server that does with its end as it is told. */
async function connected(serve: (socket: Socket) => void): Promise<BlockSocket> {
  const server = createServer(serve).listen(0, "127.0.0.1");
  await once(server, "listening");
  const socket = new BlockSocket({ noDelay: true }).connect(
    (server.address() as AddressInfo).port,
    "127.0.0.1",
  );
  ends.push(
    () => socket.destroy(),
    () => server.close(),
  );
  return socket;
}

const whole = (): Promise<BlockSocket> => connected((socket) => socket.end(numbered(0, TOTAL, 1)));

/** Reads all of the stream; `onPiece` gets each piece and the position behind it. */
async function readAll(
  socket: BlockSocket,
  onPiece: (piece: Buffer, position: number) => void,
): Promise<void> {
  let position = 0;
  socket.on("data", (piece: Buffer) => {
    position += piece.length;
    onPiece(piece, position);
  });
  await once(socket, "end");
  expect(position).toBe(TOTAL);
}

function check(pieces: readonly Buffer[]): void {
  const reader = new NumberedReader(1);
  for (const piece of pieces) reader.take(piece);
  expect(reader.wrong).toBeUndefined();
}

const blocksOf = (pieces: readonly Buffer[]): number => new Set(pieces.map(({ buffer }) => buffer)).size;

test("what nobody promised to give back stays as it is", async () => {
  const pieces: Buffer[] = [];
  await readAll(await whole(), (piece) => pieces.push(piece));
  check(pieces);
});

test("one who gives back each piece before the next reads into two blocks, again and again", async () => {
  const socket = await whole();
  const pieces: Buffer[] = [];
  const reader = new NumberedReader(1);
  await readAll(socket, (piece, position) => {
    socket.keep(position);
    reader.take(piece);
    pieces.push(piece);
    process.nextTick(() => socket.release(position));
  });
  expect(reader.wrong).toBeUndefined();
  expect(blocksOf(pieces)).toBeLessThanOrEqual(2);
});

test("T-09 what is kept is not overwritten, and what was given back is used again", async () => {
  const socket = await whole();
  // What was read before anybody listened counts, too.
  await expect.poll(() => socket.bytesRead).toBeGreaterThan(0);
  const pieces: Buffer[] = [];
  const kept: { piece: Buffer; position: number }[] = [];
  const reader = new NumberedReader(1);
  const giveBack = (): void => {
    const { piece, position } = kept.shift() as { piece: Buffer; position: number };
    reader.take(piece);
    socket.release(position);
  };
  await readAll(socket, (piece, position) => {
    socket.keep(position);
    kept.push({ piece, position });
    pieces.push(piece);
    while (position - (kept[0]?.position ?? position) > 2 * MIB) giveBack();
  });
  while (kept.length > 0) giveBack();
  expect(reader.wrong).toBeUndefined();
  expect(blocksOf(pieces)).toBeLessThanOrEqual(15);
});

/** Sends `pieces` one by one, each when the one before has arrived; what `take` makes of them. */
async function oneByOne(
  pieces: readonly string[],
  take: (socket: BlockSocket) => () => number,
): Promise<void> {
  const accepted = Promise.withResolvers<Socket>();
  const socket = await connected(accepted.resolve);
  const [server, count] = [await accepted.promise, take(socket)];
  ends.push(() => server.destroy());
  for (const [i, piece] of pieces.entries()) {
    server.write(piece);
    await expect.poll(count).toBe(i + 1);
  }
}

test("a piece that its reader does not keep is overwritten by the next", async () => {
  const pieces: Buffer[] = [];
  let position = 0;
  await oneByOne(["aaa", "bbb", "cc", "dd", "eee"], (socket) => {
    socket.resume();
    socket.readBy((piece) => {
      pieces.push(piece);
      position += piece.length;
      if (`${piece}` === "dd") socket.keep(position);
    });
    return () => pieces.length;
  });
  expect(pieces.map(String)).toEqual(["dde", "dde", "dd", "dd", "eee"]);
});

test("what came before a reader is emitted, in order, and so is what comes after it", async () => {
  const seen: string[] = [];
  await oneByOne(["first", "second", "third"], (socket) => {
    socket.on("data", (piece) => seen.push(`event ${piece}`));
    socket.once("data", () =>
      socket.readBy((piece) => {
        seen.push(`reader ${piece}`);
        socket.readBy(undefined);
      }),
    );
    return () => seen.length;
  });
  expect(seen).toEqual(["event first", "reader second", "event third"]);
});
