/** Puts a Context together from what the process gives and the global options. */
import type { Client } from "../api/client.ts";
import { homeOf } from "../api/home.ts";
import type { Context, GlobalOptions, Outside, ServerSeen } from "./context.ts";
import { clientFor, endpointOf } from "./http/api.ts";
import type { ColourLevel } from "./output/paint.ts";
import { plain } from "./output/text.ts";

/** Nothing is read or connected before it is asked for, so that help needs no server. */
export function createContext(outside: Outside, global: GlobalOptions): Context {
  const { io, env } = outside;
  const home = homeOf(env, outside.homedir);
  const say = (line: string): void => {
    io.stderr.write(`${line.split("\n").map(plain).join("\n")}\n`);
  };
  const detail = (line: string): void => {
    if (global.verbose) say(line);
  };
  const seen: ServerSeen = {};
  const endpoint = once(() => endpointOf(outside, home, global));
  const api = once((): Client => clientFor(outside, endpoint(), detail, { renew, seen }));
  const colour = { stdout: colourLevel(env, global, io.stdout), stderr: colourLevel(env, global, io.stderr) };
  const ctx: Context = {
    ...outside,
    seen,
    global,
    home,
    colour,
    prompts: outside.promptsFor({ colour: colour.stderr > 0, moves: env.TERM !== "dumb" }),
    interactive: io.stdin.isTTY && io.stderr.isTTY && !global.json && global.input,
    endpoint,
    api,
    forgetEndpoint() {
      endpoint.forget();
      api.forget();
    },
    say,
    detail,
  };
  // Few commands need it, and it needs much.
  const renew = async (): Promise<string | undefined> => {
    const token = await (await import("./login/renew.ts")).renew(ctx, endpoint());
    endpoint.forget();
    return token;
  };
  return ctx;
}

/** `--no-color` beats FORCE_COLOR, which beats NO_COLOR and a dumb or missing terminal (C-20). */
function colourLevel(env: Outside["env"], global: GlobalOptions, sink: { isTTY: boolean }): ColourLevel {
  const usual = !env.NO_COLOR && sink.isTTY && env.TERM !== "dumb";
  const forced = env.FORCE_COLOR === undefined ? usual : !/^(0|false)$/.test(env.FORCE_COLOR);
  if (!global.color || !forced) return 0;
  return env.COLORTERM || /256|direct/.test(env.TERM ?? "") ? 2 : 1;
}

function once<T>(make: () => T): { (): T; forget(): void } {
  let made: { value: T } | undefined;
  const get = (): T => {
    made ??= { value: make() };
    return made.value;
  };
  return Object.assign(get, {
    forget: () => {
      made = undefined;
    },
  });
}
