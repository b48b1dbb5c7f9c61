/** The agent's end: calls of the one server that it works for, on the engine that is here. */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { type DiskEngine, DiskRefused, type Progress } from "../disks.ts";
import { LaunchRefused } from "../driver.ts";
import { HERE_MS, whenSilent } from "../local-disks/silence.ts";
import {
  type Answer,
  type Arguments,
  type Asked,
  type Calls,
  type Fault,
  HERE,
  lineOf,
  type Said,
  type Verb,
} from "./protocol.ts";

type Attach = Calls["attach"];

/** What each call does; `attach` is not the engine's. */
type Works = { readonly [V in Verb]: (args: Arguments<V>, progress: Progress) => Promise<Answer<V>> };

const worksOf = (engine: DiskEngine, attach: Attach): Works => ({
  create: ([disk, size], progress) => engine.create(disk, size, progress),
  snapshot: ([disk, snapshot, inUse], progress) =>
    engine.snapshot(disk, snapshot, progress, inUse ? "elsewhere" : undefined),
  restore: ([snapshot, target, size], progress) => engine.restore(snapshot, target, size, progress),
  clone: ([source, target, size], progress) => engine.clone(source, target, size, progress),
  resize: ([disk, size], progress) => engine.resize(disk, size, progress),
  measure: ([disk]) => engine.measure(disk),
  contents: (args) => engine.contents(...args),
  remove: ([volume]) => engine.remove(volume),
  list: () => engine.list(),
  quarantine: ([id]) => engine.quarantine(id),
  expireQuarantine: ([olderThanS]) => engine.expireQuarantine(olderThanS),
  discardHalfMade: ([name]) => engine.discardHalfMade(name),
  room: () => engine.room(),
  attach: (args) => attach(...args),
});

/** Answers what is asked on `stdin` until that ends, or until nothing comes any more. */
export async function serve(
  { stdin, stdout }: { readonly stdin: Readable; readonly stdout: Writable },
  engine: DiskEngine,
  attach: Attach,
  silence: { readonly ms: number; readonly act: () => void },
): Promise<void> {
  const works = worksOf(engine, attach);
  const calls = new Map<number, Call>();
  const lines = createInterface(stdin);
  // Not earlier: what comes while nobody reads lines is lost to them.
  const stopListening = whenSilent(stdin, silence.ms, silence.act);
  const here = setInterval(() => stdout.write(HERE), HERE_MS);
  for await (const line of lines) {
    if (line === "") continue;
    const asked: Asked = JSON.parse(line);
    const call = calls.get(asked.id);
    if ("verb" in asked) {
      const fresh = new Call(asked.id, (said) => stdout.write(lineOf(said)));
      calls.set(asked.id, fresh);
      void fresh.run(works, asked.verb, asked.args).finally(() => calls.delete(asked.id));
    } else if ("stop" in asked) call?.stop();
    else call?.decide(asked.agreed);
  }
  clearInterval(here);
  stopListening();
}

class Call {
  readonly #id: number;
  readonly #say: (said: Said) => void;
  readonly #stopped = new AbortController();
  readonly #decided = Promise.withResolvers<boolean>();

  constructor(id: number, say: (said: Said) => void) {
    this.#id = id;
    this.#say = say;
  }

  /** Never rejects: what goes wrong is said. */
  async run<V extends Verb>(works: Works, verb: V, args: readonly unknown[]): Promise<void> {
    const id = this.#id;
    try {
      const work: Works[V] = works[verb];
      const answer = await work(args as Arguments<V>, this.#progress());
      this.#say({ id, answer: answer ?? null });
    } catch (error) {
      this.#say({ id, fault: faultOf(error), words: (error as Error).message });
    }
  }

  stop(): void {
    this.#stopped.abort(new Error("the server stopped it"));
    this.#decided.resolve(false);
  }

  decide(agreed: boolean): void {
    this.#decided.resolve(agreed);
  }

  #progress(): Progress {
    const id = this.#id;
    const told = (done: number, total: number | undefined): void => this.#say({ id, done, total });
    const confirm = async (): Promise<void> => {
      this.#say({ id, made: true });
      if (!(await this.#decided.promise)) throw new Error("the server did not agree");
    };
    return Object.assign(told, { signal: this.#stopped.signal, confirm });
  }
}

function faultOf(error: unknown): Fault {
  if (error instanceof DiskRefused) return "refused";
  return error instanceof LaunchRefused ? "launch" : "now";
}
