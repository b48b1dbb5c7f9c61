/** Reads server-sent events as they arrive (https://html.spec.whatwg.org/multipage/server-sent-events.html, 9.2.6). */

export interface ServerEvent {
  /** "message" when the stream names none. */
  readonly event: string;
  readonly data: string;
}

/** Characters of one event; what is longer is nothing that our server sends. */
const LIMIT = 16 * 1024 * 1024;

/** One stream, fed in pieces of any size. */
export class EventReader {
  readonly #decoder = new TextDecoder();
  /** The beginning of a line whose end has not arrived. */
  #line = "";
  /** The last piece ended with CR: an LF that follows belongs to it. */
  #afterReturn = false;
  #event = "";
  #data: string[] = [];
  #size = 0;
  #pendingId: string | undefined;
  /** Of the last event that was given out, for `Last-Event-ID`; it outlives events without an id. */
  lastEventId: string | undefined;
  /** Milliseconds after which the server wants a broken stream to be opened again, if it has said so. */
  retryMs: number | undefined;

  constructor(lastEventId?: string) {
    this.lastEventId = lastEventId;
  }

  /** The events that are whole with these bytes. Throws RangeError for one that is too long. */
  read(bytes: Uint8Array): ServerEvent[] {
    const decoded = this.#decoder.decode(bytes, { stream: true });
    const text = this.#afterReturn && decoded.startsWith("\n") ? decoded.slice(1) : decoded;
    if (decoded !== "") this.#afterReturn = decoded.endsWith("\r");
    const lines = text.split(/\r\n|\n|\r/);
    const rest = lines.pop() ?? "";
    const events: ServerEvent[] = [];
    for (const line of lines) {
      const event = this.#take(this.#line + line);
      this.#line = "";
      if (event) events.push(event);
    }
    this.#line += rest;
    if (this.#line.length + this.#size > LIMIT) throw new RangeError("an event of the stream is too long");
    return events;
  }

  #take(line: string): ServerEvent | undefined {
    if (line === "") return this.#dispatch();
    const [, field = "", value = ""] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line) ?? [];
    switch (field) {
      case "event":
        this.#event = value;
        break;
      case "data":
        this.#data.push(value);
        this.#size += value.length;
        break;
      case "id":
        if (!value.includes("\0")) this.#pendingId = value;
        break;
      case "retry":
        if (/^\d{1,9}$/.test(value)) this.retryMs = Number(value);
    }
    return undefined;
  }

  /** A blank line ends an event; without data it is none. */
  #dispatch(): ServerEvent | undefined {
    const [event, data] = [this.#event || "message", this.#data];
    [this.#event, this.#data, this.#size] = ["", [], 0];
    this.lastEventId = this.#pendingId ?? this.lastEventId;
    return data.length === 0 ? undefined : { event, data: data.join("\n") };
  }
}
