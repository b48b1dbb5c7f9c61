/** Noticing that who says something now and then says nothing any more. */
import type { Readable } from "node:stream";

/** Who has others work for him says at least so often that he is there. */
export const HERE_MS = 2000;
/** Who is silent for so long has stalled, and is about to lose its lease: what is locked for him is freed. */
export const SILENCE_MS = 10_000;
/** For what came while this process stood still: its timers run before it reads. */
const READ_MS = 200;

/** Acts when nothing came on the stream for `ms`; a call that held this process up for as long is not taken for that. The answer ends it. */
export function whenSilent(stream: Readable, ms: number, act: () => void): () => void {
  let timer: NodeJS.Timeout | undefined;
  const listen = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      timer = setTimeout(act, READ_MS);
    }, ms);
  };
  stream.on("data", listen);
  listen();
  return () => {
    stream.off("data", listen);
    clearTimeout(timer);
  };
}
