/** `gpu-dev forward --background`, `--list` and `--stop`. */
import { fileURLToPath } from "node:url";
import { EXIT } from "../../api/errors.ts";
import { isId } from "../../api/names.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { CliError, UsageError } from "../errors.ts";
import type { Output } from "../output/output.ts";
import { label } from "../output/reservation.ts";
import { ago } from "../output/time.ts";
import { type BackgroundForward, runningForwards, stopForward } from "./background.ts";
import type { ForwardWish } from "./forward-ports.ts";

/** Set for the process that goes on in the background. */
export const IN_BACKGROUND = "GPU_DEV_FORWARD_IN_BACKGROUND";

const SCRIPT = import.meta.url.includes("/src/cli/") ? "../../../bin/gpu-dev.js" : "../bin/gpu-dev.js";

/** Starts a process that outlives this one and its terminal; what it forwards, once it listens. Throws what it could not do. */
export async function startInBackground(ctx: Context, r: Reservation, wish: ForwardWish): Promise<Output> {
  const { context } = ctx.global;
  const args = [
    fileURLToPath(new URL(SCRIPT, import.meta.url)),
    ...["forward", r.id, ...wish.pairs.map(({ local, remote }) => `${local}:${remote}`)],
    ...["--address", wish.address, "--node", String(wish.node), "--json", "--no-input"],
    ...(context === undefined ? [] : ["--context", context]),
  ];
  const env = { ...ctx.env, [IN_BACKGROUND]: "1" };
  const { code, stdout, stderr } = await ctx.runProgram(process.execPath, args, "detach", env);
  const document = readDocument(stdout);
  if (code === 0 && document?.forwards) {
    if (ctx.io.stderr.isTTY) ctx.say("It goes on in the background; `gpu-dev forward --stop` ends it.");
    return forwardOutput(document);
  }
  const { code: name = "bug", detail = stderr || "it said nothing", hint } = document ?? {};
  throw new CliError(name, code || EXIT.error, detail, { hint });
}

type Document = BackgroundForward & { code?: string; detail?: string; hint?: string };

function readDocument(text: string): Document | undefined {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** All that run. */
export async function listForwards(ctx: Context): Promise<Output> {
  return table(await runningForwards(ctx.home.stateDir), ctx.clock.now());
}

/** Ends those that `word` means: a local port, or the id, name or beginning of the id of a reservation; without a word the only one. */
export async function stopForwards(ctx: Context, word: string | undefined, all: boolean): Promise<Output> {
  const running = await runningForwards(ctx.home.stateDir);
  const meant = all ? running : choose(running, word);
  await Promise.all(meant.map(stopForward));
  return table(meant, ctx.clock.now());
}

function choose<T extends BackgroundForward>(running: readonly T[], word: string | undefined): readonly T[] {
  if (word === undefined && running.length > 1)
    throw new UsageError(
      `${running.length} run in the background: say which`,
      `A local port or a reservation of ${running.map((one) => `${portsOf(one)} (${label(one)})`).join(", ")}; or --all.`,
    );
  const meant = word === undefined ? running : running.filter((one) => isMeant(one, word));
  if (meant.length > 0) return meant;
  const what =
    word === undefined ? "Nothing is forwarded" : `Nothing that ${JSON.stringify(word)} means is forwarded`;
  throw new CliError("not_found", EXIT.notFound, `${what} in the background`, {
    hint: "`gpu-dev forward --list` shows what is.",
  });
}

const isMeant = ({ forwards, id, name }: BackgroundForward, word: string): boolean =>
  forwards.some(({ port }) => String(port) === word) ||
  word === name ||
  (isId(word) || /^[a-z2-7]{4,19}$/.test(word) ? id.startsWith(word) : false);

const portsOf = ({ forwards }: BackgroundForward): string => forwards.map(({ port }) => port).join(" ");

/** What is forwarded, once it can be used. */
export const forwardOutput = (forward: Pick<BackgroundForward, "id" | "name" | "forwards">): Output => ({
  json: forward,
  header: ["LOCAL", "POD"],
  rows: forward.forwards.map(({ address, port, pod_port }) => [
    withPort(address, port),
    `${label(forward)}:${pod_port}`,
  ]),
});

function table(running: readonly BackgroundForward[], now: Date): Output {
  return {
    json: { items: running.map(shown) },
    header: ["LOCAL", "POD", "ID", "SINCE", "PID"],
    spare: ["ID", "PID"],
    rows: running.flatMap((one) =>
      one.forwards.map(({ address, port, pod_port }) => [
        withPort(address, port),
        `${label(one)}:${pod_port}`,
        one.id,
        ago(one.started_at, now),
        String(one.pid),
      ]),
    ),
    empty:
      "Nothing is forwarded in the background; `gpu-dev forward RESERVATION PORT --background` begins it.",
  };
}

/** Without its secret. */
const shown = ({ pid, id, name, node, started_at, forwards }: BackgroundForward): BackgroundForward => ({
  ...{ pid, id, name, node, started_at, forwards },
});

const withPort = (address: string, port: number): string =>
  `${address.includes(":") ? `[${address}]` : address}:${port}`;
