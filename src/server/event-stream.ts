/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html): the answer and its bounded writer. */
import type { Message, Outlet } from "../core/live.ts";

/** Often enough for proxies that cut what is silent for a minute, and for a client to know within 45 s that nobody is there. */
const HEARTBEAT_MS = 15_000;
/** Bytes that may wait for a reader; one message may go beyond it. */
const BUFFER = 256 * 1024;
/** When a client whose connection ended comes back. */
const RETRY_MS = 1000;

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  // A proxy that collects an answer before it passes it on would hold up every event.
  "x-accel-buffering": "no",
};

export interface EventStream extends Outlet {
  readonly response: Response;
  /** Ends it without a message. */
  cut(): void;
}

/** A stream whose `onClose` is called once, whoever ends it. */
export function createEventStream(onClose: () => void): EventStream {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  const write = (text: string): void => controller?.enqueue(encoder.encode(text));
  const heartbeat = setInterval(() => isReady() && write(": still here\n\n"), HEARTBEAT_MS);
  const isReady = (): boolean => (controller?.desiredSize ?? 0) > 0;
  const closed = (): void => {
    if (!controller) return;
    controller = undefined;
    clearInterval(heartbeat);
    onClose();
  };
  const cut = (): void => {
    controller?.close();
    closed();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(given) {
        controller = given;
        write(`retry: ${RETRY_MS}\n\n`);
      },
      cancel: closed,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: BUFFER }),
  );
  return {
    response: new Response(body, { headers: HEADERS }),
    ready: isReady,
    send: (message) => write(format(message)),
    end(message) {
      write(format(message));
      cut();
    },
    cut,
  };
}

/** JSON has no line breaks, so that one data line holds it. */
const format = ({ event, data, id }: Message): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`;
