/** All that a command touches beside its arguments, passed by hand; tests make one in memory. */
import type { Client, Fetch } from "../api/client.ts";
import type { Endpoint, Home } from "../api/home.ts";
import type { ColourLevel } from "./output/paint.ts";

interface Sink {
  write(text: string): unknown;
  readonly isTTY: boolean;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  /** True when nobody reads it any more. */
  readonly ended?: boolean;
}

export interface Io {
  readonly stdin: {
    readonly isTTY: boolean;
    /** All of it; what is piped in is small. Throws UsageError for too much. */
    text(): Promise<string>;
  };
  readonly stdout: Sink;
  readonly stderr: Sink;
}

export interface Clock {
  now(): Date;
  /** Resolves after `ms`; rejects with the signal's reason when that comes first. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Choice<T extends string = string> {
  readonly name: string;
  readonly value: T;
  /** What stays on the screen once it is chosen; its name unless told. */
  readonly short?: string;
  /** Why it cannot be chosen. */
  readonly disabled?: string;
}

/** Questions on a terminal; each throws Declined on Ctrl-C. */
export interface Prompts {
  confirm(question: string): Promise<boolean>;
  /** What is typed is not shown. */
  secret(question: string): Promise<string>;
  /** Asked again until `read` throws no UsageError. `suggestion` is the answer when nothing is typed. */
  text<T>(question: string, read: (text: string) => T, suggestion?: string): Promise<T>;
  /** `head` names the columns of the choices, `start` is where the cursor is. */
  select<T extends string>(
    question: string,
    choices: readonly Choice<T>[],
    more?: { readonly head?: string | undefined; readonly start?: T | undefined },
  ): Promise<T>;
}

/** What the terminal on which is asked can show. */
export interface PromptStyle {
  readonly colour: boolean;
  /** Whether the cursor can be moved. */
  readonly moves: boolean;
}

/** How a program ended: its exit code, or 128 plus the signal that killed it. Rejects when it cannot be started. */
export type RunProgram = (
  command: string,
  args: readonly string[],
  /**
   * "talk": our stdin, and what it prints goes to our stderr. "detach": without a terminal, and it outlives us: resolves with
   * code 0 and what it wrote to file descriptor 3 as soon as a line of that is there.
   */
  stdio: "inherit" | "capture" | "talk" | "detach",
  /** Instead of our own environment. */
  env?: Readonly<Record<string, string | undefined>>,
) => Promise<{ code: number; stdout: string; stderr: string }>;

export interface StreamReply {
  readonly status: number;
  readonly contentType: string;
  /** Ends when the signal of the request is aborted. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** A GET whose answer is read as it comes. Rejects with the socket's error. */
export type OpenStream = (
  url: string,
  init: { readonly headers: Record<string, string>; readonly signal: AbortSignal },
) => Promise<StreamReply>;

/** Flags that every command has. */
export interface GlobalOptions {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly color: boolean;
  /** False when nobody is to be asked. */
  readonly input: boolean;
  readonly context: string | undefined;
  /** Of the JSON document only these; all of them when it is not given. */
  readonly fields: readonly string[] | undefined;
}

/** What the process gives; the rest of a Context follows from it and the global options. */
export interface Outside {
  readonly io: Io;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly homedir: string;
  readonly clock: Clock;
  /** The user's, by its IANA name: what a wall clock's time means. */
  timeZone(): string;
  promptsFor(how: PromptStyle): Prompts;
  /** The transport; retries and words for failures are put around it. */
  readonly fetch: Fetch;
  readonly openStream: OpenStream;
  readonly runProgram: RunProgram;
  /** Ctrl-C (or the signals given) aborts the signal instead of killing the process, until `stop`. */
  watchInterrupt(signals?: readonly NodeJS.Signals[]): { readonly signal: AbortSignal; stop(): void };
}

/** The server that answered last, and its version as it says it. */
export interface ServerSeen {
  version?: string;
  at?: string;
}

export interface Context extends Outside {
  readonly seen: ServerSeen;
  readonly global: GlobalOptions;
  readonly home: Home;
  readonly colour: { readonly stdout: ColourLevel; readonly stderr: ColourLevel };
  /** True when a person can be asked: stdin and stderr are terminals, and neither `--json` nor `--no-input` is given (C-18). */
  readonly interactive: boolean;
  /** The server to talk to; throws NotConfigured. */
  endpoint(): Endpoint;
  readonly prompts: Prompts;
  /** A client for it; throws NotConfigured. */
  api(): Client;
  /** Looks anew for the server the next time: it was restarted, and has another address or token. */
  forgetEndpoint(): void;
  /** A line of talk on stderr. */
  say(line: string): void;
  /** A line of talk that only `--verbose` shows. */
  detail(line: string): void;
}
