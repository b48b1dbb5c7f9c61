/**
 * Entry of the lean ssh-proxy, ssh's ProxyCommand:
 * `--context NAME --domain DOMAIN [--home DIR] [--retry SECONDS] -- HOST PORT`; --retry bounds the wait for what may pass.
 * stdout carries the ssh stream and nothing else; stderr gets at most one line.
 */
import { closeSync, fstatSync } from "node:fs";
import { homedir } from "node:os";
import type { Readable } from "node:stream";
import { parseArgs } from "node:util";
import { BlockSocket } from "../api/block-socket.ts";
import { type Endpoint, findEndpoint, type Home, homeOf, tunnelEndpoint } from "../api/home.ts";
import { proxyFor } from "../api/proxy.ts";
import { TunnelClient, type TunnelEnd } from "./client.ts";
import { type Server, TunnelFailure } from "./failure.ts";
import { oneLine } from "./frames.ts";
import { parseHost, type Target } from "./hosts.ts";
import { wholeNumber } from "./opening.ts";
import { resolve } from "./resolve.ts";
import { openTrace, type Trace } from "./trace.ts";

/** What ssh takes as "the connection failed". */
const FAILED = 255;
/** A stderr that nobody reads must not keep us. */
const LAST_WORD_MS = 200;
/** What ends the proxy; ssh sends the second when it goes. */
const ENDING = ["SIGTERM", "SIGHUP"] as const;

interface Asked {
  readonly context: string;
  readonly domain: string;
  readonly home: string | undefined;
  readonly host: string;
  readonly target: Target;
  readonly port: number;
  readonly retryMs: number | undefined;
}

/** Runs the proxy and ends the process: 0 when the pod's stream has ended, 255 when the tunnel failed, else by the signal that it got. */
export async function main(argv: string[]): Promise<void> {
  let client: TunnelClient | undefined;
  const trace = findTrace();
  const hangUp = (signal: NodeJS.Signals): void => {
    trace?.("signal", { signal });
    client?.hangUp();
    endBySignals();
    process.kill(process.pid, signal);
  };
  for (const signal of ENDING) process.on(signal, hangUp);
  // Ctrl-C is for what runs in the pod: ssh sends it there. A proxy that dies of it takes a shared connection along.
  process.on("SIGINT", () => undefined);
  const end = await run(argv, trace, (started) => {
    client = started;
  });
  trace?.("exit", { code: end.exitCode, message: end.message });
  leave(end);
}

function findTrace(): Trace | undefined {
  const file = process.env.GPU_DEV_SSH_DEBUG;
  return file ? openTrace(file, (line) => process.stderr.write(`gpu-dev: ${line}\n`)) : undefined;
}

async function run(
  argv: string[],
  trace: Trace | undefined,
  started: (client: TunnelClient) => void,
): Promise<TunnelEnd> {
  try {
    const asked = readArguments(argv);
    trace?.("start", { context: asked.context, host: asked.host, port: asked.port, node: process.version });
    const home = homeOf(asked.home === undefined ? process.env : { GPU_DEV_HOME: asked.home }, homedir());
    const found = (): Endpoint => findServer(home, asked.context);
    const client = new TunnelClient({
      server: () => withProxy(checked(tunnelEndpoint(process.env, found()))),
      pod: () => resolve(withProxy(checked(found())), home, asked.host, asked.target),
      port: asked.port,
      stdin: findStdin(),
      stdout: process.stdout,
      setUpMs: asked.retryMs,
      trace,
      ...(process.stderr.isTTY ? { onWait: tellOnce() } : {}),
    });
    started(client);
    return await client.done;
  } catch (error) {
    return { exitCode: FAILED, message: lineOf(error) };
  }
}

/** From ssh it is a pipe or a socket, which gets by with the same memory; anything else is read as Node does it. */
function findStdin(): Readable {
  const stdin = fstatSync(0);
  return stdin.isFIFO() || stdin.isSocket()
    ? new BlockSocket({ fd: 0, readable: true, writable: false })
    : process.stdin;
}

/** Says what is waited for, each thing once, to a person who watches. */
function tellOnce(): (why: string) => void {
  let told = "";
  return (why) => {
    if (why !== told) process.stderr.write(`gpu-dev: waiting: ${why}\n`);
    told = why;
  };
}

function readArguments(argv: string[]): Asked {
  const { values, positionals } = parseArgs({
    args: argv,
    options: {
      context: { type: "string" },
      domain: { type: "string" },
      home: { type: "string" },
      retry: { type: "string" },
    },
    allowPositionals: true,
  });
  const [given, portText, ...others] = positionals;
  const { context, domain, home, retry } = values;
  if (!context || !domain || given === undefined || portText === undefined || others.length > 0)
    throw new TunnelFailure(
      "usage: gpu-dev-ssh-proxy --context NAME --domain DOMAIN [--home DIR] [--retry SECONDS] -- HOST PORT",
    );
  const target = parseHost(given, domain);
  if (!target)
    throw new TunnelFailure(
      `${oneLine(given)} is not a pod: expected <id>.${domain} or gpu-dev-<id8>.${domain}`,
    );
  return {
    context,
    domain,
    home,
    host: plainHost(given),
    target,
    port: readPort(portText),
    retryMs: retry === undefined ? undefined : readSeconds(retry) * 1000,
  };
}

/** As ssh looks it up in known_hosts. */
const plainHost = (host: string): string => host.toLowerCase().replace(/\.$/, "");

function readPort(text: string): number {
  const port = wholeNumber(text) ?? 0;
  if (port < 1 || port > 65_535) throw new TunnelFailure(`${oneLine(text)} is not a port: 1 to 65535`);
  return port;
}

function readSeconds(text: string): number {
  const seconds = wholeNumber(text) ?? Number.POSITIVE_INFINITY;
  if (seconds > 86_400)
    throw new TunnelFailure(`--retry ${oneLine(text)} is not a time: seconds, at most 86400`);
  return seconds;
}

function findServer(home: Home, context: string): Endpoint {
  const named = context === "environment" ? undefined : context;
  const found = findEndpoint(process.env, home, named);
  if (!found || (named === undefined && found.context !== context))
    throw new TunnelFailure(
      named === undefined
        ? "GPU_DEV_URL is not set, but this ssh config was written with it; set it, or run `gpu-dev ssh-config` again"
        : `no server is known as ${oneLine(context)}: is it running? \`gpu-dev config show\` tells where it is looked for`,
      // One that is being restarted is known again in a moment.
      { prospect: { passing: context === "local" } },
    );
  // What listens at the address of a server that died gets no token, and what it says about that means nothing.
  if (found.context === "local" && found.token === undefined)
    throw new TunnelFailure(
      `the server of ${oneLine(found.origin)} does not run any more; start it again with \`gpu-dev server\``,
      { prospect: { passing: true } },
    );
  return found;
}

function checked(endpoint: Endpoint): Endpoint {
  const { url, origin } = endpoint;
  if (/^https?:\/\//.test(url) && URL.canParse(url)) return endpoint;
  throw new TunnelFailure(`${oneLine(url)} is not an http or https URL; correct it in ${origin}`);
}

function withProxy(endpoint: Endpoint): Server {
  try {
    return { ...endpoint, proxy: proxyFor(process.env, endpoint.url) };
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new TunnelFailure(cause.message, { cause });
  }
}

/** Failures that were foreseen have their line; of others, the message and what was meant to be done. */
const lineOf = (error: unknown): string =>
  error instanceof TunnelFailure ? error.message : `the tunnel failed: ${oneLine(String(error))}`;

function leave({ exitCode, message }: TunnelEnd): void {
  if (message === undefined) exit(exitCode);
  setTimeout(() => exit(exitCode), LAST_WORD_MS);
  process.stderr.write(`gpu-dev: ${message}\n`, () => exit(exitCode));
}

/**
 * Now and then Node never comes back from process.exit (nodejs/node issue 54918: V8's threads are waited for). ssh must not wait for us then:
 * it sees the end of the stream, and the signal that it sends to us ends what hangs.
 */
function exit(code: number): never {
  endBySignals();
  for (const fd of [0, 1]) closeOnce(fd);
  process.exit(code);
}

function closeOnce(fd: number): void {
  try {
    closeSync(fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EBADF") throw error;
  }
}

/** From now on the kernel ends the process, which needs nothing of ours any more. */
function endBySignals(): void {
  for (const signal of ENDING) process.removeAllListeners(signal);
}
