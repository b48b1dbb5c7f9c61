/** A client of server-sent events on a real connection, that a test reads, stops reading, and cuts. */
import { type IncomingMessage, request } from "node:http";
import { expect, vi } from "vitest";
import { EventReader, type ServerEvent } from "../../src/api/event-stream.ts";

export interface StreamClient {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly events: ServerEvent[];
  /** All that came, comments too. */
  readonly text: () => string;
  readonly reader: EventReader;
  /** Resolves when the connection is over. */
  readonly over: Promise<void>;
  readonly response: IncomingMessage;
  cut(): void;
  /** The data of the events of this name so far. */
  of<T>(event: string): T[];
  /** Waits until there is one of this name for which `holds`; its data. */
  until<T>(event: string, holds?: (data: T) => boolean): Promise<T>;
}

/** Opens one; resolves when the head of the answer is there. */
export function openStream(
  url: string,
  who: { readonly token: string },
  headers: Record<string, string> = {},
  lastEventId?: string,
): Promise<StreamClient> {
  const reader = new EventReader(lastEventId);
  const events: ServerEvent[] = [];
  let text = "";
  return new Promise((resolve, reject) => {
    const asked = request(url, {
      headers: {
        accept: "text/event-stream",
        authorization: `Bearer ${who.token}`,
        ...(lastEventId === undefined ? {} : { "last-event-id": lastEventId }),
        ...headers,
      },
      agent: false,
    });
    asked.on("error", reject);
    asked.on("response", (response) => {
      response.on("data", (bytes: Buffer) => {
        text += bytes.toString();
        events.push(...reader.read(bytes));
      });
      const over = new Promise<void>((done) => {
        response.on("close", done);
        // A connection that the test or the server cuts is an end like any other here.
        response.on("error", () => done());
      });
      const of = <T>(name: string): T[] =>
        events.filter(({ event }) => event === name).map(({ data }) => JSON.parse(data) as T);
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        events,
        text: () => text,
        reader,
        over,
        response,
        cut: () => response.destroy(),
        of,
        async until<T>(name: string, holds: (data: T) => boolean = () => true) {
          let found: T | undefined;
          await vi.waitFor(
            () => {
              found = of<T>(name).find(holds);
              expect(found, `no ${name} as expected in ${text}`).toBeDefined();
            },
            { timeout: 60_000, interval: 5 },
          );
          return found as T;
        },
      });
    });
    asked.end();
  });
}
