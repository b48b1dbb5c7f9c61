/** The real outside: the process's streams, clock, terminal, network and programs. */
import { homedir } from "node:os";
import { isatty } from "node:tty";
import type { Fetch } from "../api/client.ts";
import { type HttpProxy, proxyFor } from "../api/proxy.ts";
import type { Io, Outside, PromptStyle, Prompts, RunProgram } from "./context.ts";
import { UsageError } from "./errors.ts";
import { lightFetch } from "./http/http.ts";

/** Everything from the running process; `env` is handed in by main.ts, the one that may read it. */
export function processOutside(env: Outside["env"]): Outside {
  return {
    io: processIo(),
    env,
    homedir: env.HOME || homedir(),
    clock: {
      now: () => new Date(),
      sleep: async (ms, signal) =>
        (await import("node:timers/promises")).setTimeout(ms, undefined, signal ? { signal } : {}),
    },
    // Asked when it is needed: to find it costs a quarter of what a short command takes.
    timeZone: () => new Intl.DateTimeFormat().resolvedOptions().timeZone,
    promptsFor: lazyPrompts,
    fetch: chooseFetch(env),
    openStream: async (url, init) =>
      (await import("./http/open-stream.ts")).openStream(findProxy(env, url))(url, init),
    runProgram,
    watchInterrupt,
  };
}

function processIo(): Io {
  const sink = (stream: NodeJS.WriteStream): Io["stdout"] => {
    // C-20: a reader that left early (`| head`) is no failure; the work goes on and its exit code stands.
    let ended = false;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      ended = true;
    });
    return {
      write: (text) => stream.write(text),
      isTTY: stream.isTTY === true,
      // A terminal may change its size while something is drawn on it.
      get columns() {
        return stream.columns;
      },
      get rows() {
        return stream.rows;
      },
      get ended() {
        return ended;
      },
    };
  };
  return {
    stdin: { isTTY: isatty(0), text: async () => (await import("./read-stdin.ts")).readStdin() },
    stdout: sink(process.stdout),
    stderr: sink(process.stderr),
  };
}

function chooseFetch(env: Outside["env"]): Fetch {
  const light = lightFetch();
  return async (url, init) => {
    const proxy = findProxy(env, url);
    if (!proxy) return light(url, init);
    const { proxyFetch } = await import("./http/undici-fetch.ts");
    return proxyFetch(proxy)(url, init);
  };
}

function findProxy(env: Outside["env"], url: string): HttpProxy | undefined {
  try {
    return proxyFor(env, url);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new UsageError(error.message, "Or let NO_PROXY name the server.", error);
  }
}

/** The prompts' library takes 80 ms to load; most runs ask nothing. */
function lazyPrompts(how: PromptStyle): Prompts {
  const load = async (): Promise<Prompts> =>
    how.moves ? (await import("./prompts.ts")).createPrompts(how) : await import("./plain-prompts.ts");
  return {
    confirm: async (question) => (await load()).confirm(question),
    secret: async (question) => (await load()).secret(question),
    text: async (...given) => (await load()).text(...given),
    select: async (...given) => (await load()).select(...given),
  };
}

const runProgram: RunProgram = async (...given) => (await import("./run-program.ts")).runProgram(...given);

function watchInterrupt(signals: readonly NodeJS.Signals[] = ["SIGINT"]): {
  signal: AbortSignal;
  stop(): void;
} {
  const controller = new AbortController();
  const onInterrupt = (): void => controller.abort();
  for (const signal of signals) process.on(signal, onInterrupt);
  return {
    signal: controller.signal,
    stop: () => {
      for (const signal of signals) process.off(signal, onInterrupt);
    },
  };
}
