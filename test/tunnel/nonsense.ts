/** Bytes that no end of a tunnel may send, as WebSocket frames or as none. */
import type { Dice } from "../helpers/random.ts";
import { type FrameOptions, frame, OPCODE } from "./raw-frames.ts";

/** `masked`: what a client sends has a mask, what a server sends has none. */
export function nonsense(dice: Dice, masked: boolean): Buffer {
  const text = Buffer.from("ack 0");
  const junk = Buffer.from(Array.from({ length: 1 + dice.upTo(60) }, () => dice.upTo(256)));
  // With a reserved bit, so that it is no frame by chance: as bytes of the stream it would be as good as any.
  junk[0] = (junk[0] as number) | (0x10 << dice.upTo(3));
  const odd: FrameOptions = dice.one<FrameOptions>(
    { masked: !masked },
    { masked, reserved: 1 + dice.upTo(7) },
    { masked, length: 2 ** 21 },
    { masked, length: Number.MAX_SAFE_INTEGER },
  );
  const right = { masked };
  return dice.one(
    junk,
    frame(OPCODE.text, text, odd),
    frame(OPCODE.text, Buffer.from([0xff, 0xfe]), right),
    frame(OPCODE.more, text, right),
    frame(OPCODE.text, text, { masked, fin: false }),
    frame(3 + dice.upTo(5), text, right),
    frame(OPCODE.ping, Buffer.alloc(126), right),
    frame(OPCODE.ping, text, right),
    frame(OPCODE.pong, junk, right),
    frame(OPCODE.close, Buffer.alloc(0), right),
    frame(OPCODE.close, Buffer.from([0x03, 0xe8]), right),
    frame(OPCODE.close, Buffer.from([dice.upTo(256)]), right),
    frame(OPCODE.close, Buffer.from([dice.upTo(256), dice.upTo(256)]), right),
  );
}
