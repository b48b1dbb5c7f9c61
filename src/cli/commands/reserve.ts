/** `gpu-dev reserve`: creates a reservation and, unless told otherwise, waits until ssh works. */
import { exactDuration } from "../../api/duration.ts";
import { EXIT } from "../../api/errors.ts";
import type { CreateReservation, Reservation } from "../../api/reservations.ts";
import { commandLine } from "../ask/command-line.ts";
import { AT_FORMS, parseAt } from "../at.ts";
import { defineCommand, type Values } from "../command.ts";
import { setting } from "../config/settings.ts";
import type { Context } from "../context.ts";
import { chooseDisk } from "../disks/choose.ts";
import { CliError, UsageError } from "../errors.ts";
import { allPages } from "../http/all-pages.ts";
import { idempotencyKey } from "../http/idempotency-key.ts";
import { showBuild } from "../images/build-log.ts";
import { imageOptions } from "../images/options.ts";
import { imageOf } from "../images/wish.ts";
import { nodeLabelOption, nodeLabelsOf } from "../node-labels.ts";
import { choice, count, duration, flag, name, parsed, text } from "../options.ts";
import { describeForecast } from "../output/forecast.ts";
import type { Output } from "../output/output.ts";
import { gpus, label, sshAlias } from "../output/reservation.ts";
import { wallClock } from "../output/time.ts";
import { shellWord } from "../shell-word.ts";
import { ownPublicKey } from "../ssh/keys.ts";
import { refreshSshFiles, updateSshFiles } from "../ssh/ssh-files.ts";
import { isIncluded } from "../ssh/ssh-include.ts";
import { ring, runWhenActive } from "../watching/notify.ts";
import { waitUntilActive } from "../watching/wait.ts";
import { webhookUrl } from "../webhook.ts";
import { describe } from "./show.ts";

// Not from the schemas, which would load zod; the compiler checks it against them.
const PRIORITIES = ["low", "normal", "high"] as const satisfies readonly Reservation["priority"][];
const DEFAULT_TIME = "1h";
/** The options whose values are seconds. */
const DURATIONS = ["time", "timeout"];
/** Every wait has an end; a day is longer than anybody looks at a terminal. */
const DEFAULT_TIMEOUT_S = 24 * 3600;

const options = {
  gpuType: text(
    "-t, --gpu-type <TYPE>",
    "GPU type, as `gpu-dev avail` lists them (GPU_DEV_GPU_TYPE)",
    "gpu-types",
  ),
  gpus: parsed("-g, --gpus <N>", "How many GPUs (default: 1)", count),
  multiNode: flag("--multi-node", "More GPUs than a node has: whole nodes, several at once"),
  time: parsed(
    "--time <DURATION>",
    `How long, from the moment that ssh works: 90m, 1h30m, 2d (GPU_DEV_TIME, default: ${DEFAULT_TIME})`,
    duration,
  ),
  name: parsed("-n, --name <NAME>", "Name, unique among your live reservations", name),
  disk: text("--disk <NAME>", "The disk that is its home and stays; none: temporary storage", "disks"),
  ...imageOptions,
  nodeLabel: nodeLabelOption,
  at: text("--at <TIME>", `Start then, not earlier; refused if nothing is free then: ${AT_FORMS}`),
  priority: choice(
    "--priority <CLASS>",
    "Who comes first when GPUs get free early (high: administrators)",
    PRIORITIES,
  ),
  dryRun: flag("--dry-run", "Say what would happen and when; reserve nothing"),
  noWait: flag("--no-wait", "Do not wait until ssh works"),
  noQueue: flag("--no-queue", "Fail (exit 6) instead of queueing when nothing is free"),
  timeout: parsed(
    "--timeout <DURATION>",
    "Give up waiting after this (exit 8, stays reserved; default: 24h)",
    duration,
  ),
  bell: flag("--bell", "Ring the terminal's bell when the wait is over, well or not"),
  webhook: parsed(
    "--webhook <URL>",
    "Have the server post what happens to it: its turn, active, warnings, its end",
    webhookUrl,
  ),
  exec: text("--exec <COMMAND>", "Run this by sh when ssh works, with GPU_DEV_RESERVATION_ID set"),
};

export const command = defineCommand({
  options,
  details:
    "On a terminal, when --gpu-type or --time is missing, it asks for whatever is not given, and prints the line that would have asked nothing. Ctrl-C at a question changes nothing (exit 3). Ctrl-C while waiting asks whether to keep or cancel; without a terminal the reservation stays. The command of --exec also has GPU_DEV_RESERVATION_NAME and GPU_DEV_SSH_HOST; what it prints goes to stderr, and when it fails reserve exits 1. What is posted to --webhook is signed with a secret, which `gpu-dev show --json` has.",
  examples: [
    { line: "gpu-dev reserve", meaning: "Asks for the type, with what is free now, and for all the rest" },
    {
      line: "gpu-dev reserve --gpu-type h100 --gpus 2 --time 4h --name train",
      meaning: "Two GPUs for four hours",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --time 4h --disk home",
      meaning: "With the disk home, whose files stay (`gpu-dev disk create home`)",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --time 4h --image nvcr.io/nvidia/pytorch:25.01-py3",
      meaning: "In an image of your choice (`gpu-dev registry login` for one that is not public)",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --time 4h --dockerfile ./Dockerfile",
      meaning: "In an image that is built for you, with the build's log while it lasts",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --time 4h --node-label zone=a",
      meaning: "On a node that the operator labelled so (`gpu-dev avail --json` lists the labels)",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --gpus 16 --multi-node --time 4h",
      meaning: "Two whole nodes of eight, all at once",
    },
    {
      line: 'gpu-dev reserve --gpu-type h100 --gpus 8 --time 2h --at "tomorrow 9:00" --no-wait',
      meaning: "A node for two hours, there at nine tomorrow (your time zone) or refused at once",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --gpus 8 --time 1d --dry-run",
      meaning: "When would this start, and where",
    },
    {
      line: "gpu-dev reserve --gpu-type cpu --time 30m --no-wait --json",
      meaning: "For a script: prints the reservation and returns at once",
    },
    {
      line: `gpu-dev reserve --gpu-type h100 --time 4h --bell --exec 'gpu-dev connect "$GPU_DEV_RESERVATION_ID" -- ./train'`,
      meaning: "Starts the training when its turn comes, and rings",
    },
    {
      line: "gpu-dev reserve --gpu-type h100 --gpus 8 --time 4h --no-wait --webhook https://ci.example.org/gpu-dev",
      meaning: "CI is told when it can begin, and when the end is near",
    },
  ],
  async run(_args, given, ctx): Promise<Output> {
    if (given.noWait && (given.bell || given.exec !== undefined))
      throw new UsageError(
        "--no-wait does not wait for what --bell and --exec tell",
        "Leave one of them out.",
      );
    const wish = await complete(ctx, given);
    const asked = { ...(await requestOf(wish, ctx)), ...(await imageOf(ctx, wish, wish.dryRun)) };
    if (wish !== given) ctx.say(`The same without questions:\n  ${lineOf(ctx, wish, asked)}`);
    const body = { ...asked, public_key: await ownPublicKey(ctx) };
    if (given.dryRun) return describeForecast(await ctx.api().planReservation({ body }), ctx.clock.now());
    const interrupt = ctx.watchInterrupt();
    try {
      const created = await ctx.api().createReservation({ body, idempotencyKey: idempotencyKey() });
      ctx.say(
        `Reserved ${gpus(created)} for ${exactDuration(created.duration_s)}${startWords(ctx, created)} as ${created.name ?? created.id}`,
      );
      await sayDefaults(ctx, wish, body);
      if (given.noWait) return await leave(ctx, created);
      return await follow(ctx, created, given, interrupt.signal);
    } finally {
      interrupt.stop();
    }
  },
});

type Given = Values<typeof options>;

const startWords = (ctx: Context, { start_at }: Reservation): string =>
  start_at === null ? "" : ` from ${wallClock(start_at, ctx.timeZone())} (${ctx.timeZone()})`;

/** With answers for what is missing, on a terminal; what the settings say is not missing. */
async function complete(ctx: Context, given: Given): Promise<Given> {
  if (!ctx.interactive || (given.gpuType !== undefined && given.time !== undefined)) return given;
  const [type, time] = await Promise.all([setting(ctx, "gpu_type"), setting(ctx, "time")]);
  const known = {
    ...given,
    gpuType: given.gpuType ?? type?.value,
    time: given.time ?? (time && (await defaultTime(ctx))),
  };
  if (known.gpuType !== undefined && known.time !== undefined) return given;
  const { interview } = await import("../ask/interview.ts");
  const answers = await interview(ctx, known, duration(DEFAULT_TIME));
  return answers ? { ...given, ...answers } : given;
}

/** `body` says which disk was chosen. */
function lineOf(ctx: Context, wish: Given, { disk }: CreateReservation): string {
  const line = commandLine("reserve", options, { ...wish, disk: disk === null ? "none" : disk }, DURATIONS);
  return ctx.global.context === undefined ? line : `${line} --context ${shellWord(ctx.global.context)}`;
}

/** The request body. Throws UsageError for a missing type (C-18). */
async function requestOf(given: Given, ctx: Context): Promise<CreateReservation> {
  const start = given.at === undefined ? undefined : parseAt(given.at, ctx.clock.now(), ctx.timeZone());
  const gpuType = given.gpuType ?? (await setting(ctx, "gpu_type"))?.value ?? (await missingType(ctx));
  const duration_s = given.time ?? (await defaultTime(ctx));
  return {
    gpu_type: gpuType,
    duration_s,
    ...(given.gpus === undefined ? {} : { gpu_count: given.gpus }),
    ...(given.multiNode ? { multi_node: true } : {}),
    ...(given.name === undefined ? {} : { name: given.name }),
    ...(given.dryRun && given.disk === undefined ? {} : diskOf(await chooseDisk(ctx, given.disk))),
    ...nodeLabelsOf(given.nodeLabel),
    ...(given.noQueue ? { queue: false } : {}),
    ...(given.priority === undefined ? {} : { priority: given.priority }),
    ...(given.webhook === undefined ? {} : { webhook: given.webhook }),
    ...(start === undefined ? {} : { start_at: start.toISOString() }),
  };
}

/** Three distinct choices (C-07): not said, none, and this one. */
const diskOf = (disk: string | null | undefined): Pick<CreateReservation, "disk"> =>
  disk === undefined ? {} : { disk };

async function missingType(ctx: Context): Promise<never> {
  const { items } = await allPages((query) => ctx.api().listGpuTypes({ query }));
  const offered = items.filter((type) => type.nodes !== 0);
  const known = offered.map((type) => (type.simulated ? `${type.name} (simulated)` : type.name)).join(", ");
  throw new UsageError("--gpu-type is missing", `The server has: ${known || "none at the moment"}.`);
}

async function defaultTime(ctx: Context): Promise<number> {
  const configured = await setting(ctx, "time");
  if (!configured) return duration(DEFAULT_TIME);
  try {
    return duration(configured.value);
  } catch (cause) {
    if (cause instanceof UsageError)
      throw new UsageError(`${configured.origin}: ${cause.message}`, cause.hint, cause);
    throw cause;
  }
}

/** What nobody said, once the server took it: before that, these lines would stand above a refusal. */
async function sayDefaults(ctx: Context, { time }: Given, { disk }: CreateReservation): Promise<void> {
  if (time === undefined && !(await setting(ctx, "time")))
    ctx.say(`No --time given: reserved for ${DEFAULT_TIME}`);
  if (disk === undefined) ctx.say("No --disk given: files are temporary, and gone with the reservation");
}

async function leave(ctx: Context, created: Reservation): Promise<Output> {
  await refreshSshFiles(ctx);
  ctx.say(
    `Follow it with \`gpu-dev show ${label(created)}\`, get in with \`gpu-dev connect ${label(created)}\``,
  );
  return describe(created, ctx.clock.now());
}

async function follow(
  ctx: Context,
  created: Reservation,
  given: Given,
  signal: AbortSignal,
): Promise<Output> {
  const timeoutS = given.timeout ?? DEFAULT_TIMEOUT_S;
  // While the pod starts there is time for what ssh is to know; a list that was asked for before the queue is old after it.
  const refreshed = created.state === "preparing" ? refreshSshFiles(ctx) : undefined;
  let active: Reservation;
  const over = new AbortController();
  const lines = Boolean(created.build_id);
  if (lines) void showBuild(ctx, created.id, timeoutS, over.signal);
  try {
    active = await waitUntilActive(ctx, created, { timeoutS, signal, lines });
  } catch (error) {
    if (signal.aborted) return await interrupted(ctx, created);
    if (given.bell) ring(ctx);
    throw error;
  } finally {
    over.abort();
  }
  await (refreshed ? refreshed.then(() => updateSshFiles(ctx, active)) : refreshSshFiles(ctx));
  return welcome(ctx, active, given);
}

async function welcome(ctx: Context, active: Reservation, { bell, exec }: Given): Promise<Output> {
  const plain = isIncluded(ctx) ? " or" : "; after `gpu-dev ssh-config install` also with";
  ctx.say(`Ready. Get in with \`gpu-dev connect ${label(active)}\`${plain} \`ssh ${sshAlias(active)}\``);
  if (bell) ring(ctx);
  const exit = exec === undefined ? EXIT.ok : await runWhenActive(ctx, exec, active);
  return { ...describe(active, ctx.clock.now()), exit };
}

/** C-17: Ctrl-C never loses a reservation by accident; a person is asked, a script keeps it. */
async function interrupted(ctx: Context, created: Reservation): Promise<Output> {
  const keepWords = `${label(created)} stays reserved. Follow it with \`gpu-dev show ${label(created)}\`, end it with \`gpu-dev cancel ${label(created)}\`.`;
  if (!ctx.interactive)
    throw new CliError("interrupted", EXIT.interrupted, "Interrupted", {
      hint: keepWords,
      extra: { reservation: created },
    });
  const wish = await ctx.prompts.select("Keep or cancel the reservation?", [
    { name: "Keep it", value: "keep" },
    { name: "Cancel it", value: "cancel" },
  ]);
  if (wish === "keep") {
    ctx.say(keepWords);
    return describe(created, ctx.clock.now());
  }
  const cancelled = await ctx.api().cancelReservation({ params: { id: created.id } });
  ctx.say(`Cancelled ${label(cancelled)}`);
  return { ...describe(cancelled, ctx.clock.now()), exit: EXIT.interrupted };
}
