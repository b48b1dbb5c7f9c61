/** `gpu-dev admin quotas`: what users and teams may have. */
import { formatDuration } from "../../../api/duration.ts";
import type { Quota } from "../../../api/quotas.ts";
import { defineCommand, type Values } from "../../command.ts";
import type { Context } from "../../context.ts";
import { UsageError } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { count, duration, flag, parsed, text } from "../../options.ts";
import type { Cell, Output } from "../../output/output.ts";
import { gpuHours, hoursCell } from "../../output/quota.ts";

const ACTIONS = ["list", "set", "unset"] as const;

/** `none` takes a limit away. */
const orNone =
  <T>(parse: (given: string) => T) =>
  (given: string): T | "none" =>
    given === "none" ? given : parse(given);

const limit = <T>(given: T | "none" | undefined): T | null | undefined => (given === "none" ? null : given);

const options = {
  user: text("--user <NAME>", "Of this user"),
  team: text("--team <NAME>", "Of this team: what its members use counts together"),
  default: flag("--default", "Of every user who has none of their own"),
  gpus: parsed("--gpus <COUNT>", "GPUs at once; who asks for more waits; none: not limited", orNone(count)),
  gpuHours: parsed(
    "--gpu-hours <HOURS>",
    "GPU hours within any 7 days, such as 100 or 0.5; none: not limited",
    orNone(gpuHours),
  ),
  time: parsed(
    "--time <DURATION>",
    "The longest reservation, with extensions: 8h, 2d; none: not limited",
    orNone(duration),
  ),
  gpuTypes: parsed(
    "--gpu-types <LIST>",
    "Only these types: h100,a100; none: not limited",
    orNone((given) => given.split(",").map((type) => type.trim())),
  ),
};
type Given = Values<typeof options>;

export const command = defineCommand({
  arguments: [
    { name: "action", summary: "set or unset; without it, all quotas are listed", completes: ACTIONS },
  ],
  options,
  details:
    "A user's own limits go before the default's, one by one; those of the user's team hold as well. A smaller quota takes nothing away from what runs or was promised. `unset` takes all limits away. For administrators.",
  examples: [
    { line: "gpu-dev admin quotas", meaning: "All that are set" },
    {
      line: "gpu-dev admin quotas set --default --gpus 8 --gpu-hours 200",
      meaning: "Everybody has 8 GPUs at once and 200 GPU hours a week",
    },
    { line: "gpu-dev admin quotas set --user ann --gpu-hours 500", meaning: "ann has more hours" },
    {
      line: "gpu-dev admin quotas set --team vision --gpus 32 --time 2d --gpu-types h100",
      meaning: "The team shares 32 GPUs, for two days at most, all of them h100",
    },
    { line: "gpu-dev admin quotas unset --user ann", meaning: "The default holds for ann again" },
  ],
  async run([action = "list"], given, ctx): Promise<Output> {
    const page = action === "list" ? await list(ctx, given) : undefined;
    const items = page?.items ?? [await change(ctx, action, given)];
    return {
      json: page ?? items[0],
      header: ["FOR", "GPUS AT ONCE", "GPU HOURS / 7D", "MAX TIME", "TYPES"],
      rows: items.map(row),
      empty: "No quotas are set: nobody is limited. `gpu-dev admin quotas set --help` shows how.",
    };
  },
});

function list(ctx: Context, given: Given) {
  if (Object.values(given).some((value) => value !== undefined && value !== false))
    throw new UsageError("An action is missing: set or unset");
  return allPages((query) => ctx.api().listQuotas({ query }));
}

function change(ctx: Context, action: string, given: Given): Promise<Quota> {
  const { user, team, default: all } = given;
  if ([user, team, all || undefined].filter((whose) => whose !== undefined).length !== 1)
    throw new UsageError("Give --user, --team or --default, one of them");
  const whose = user !== undefined ? { user } : team !== undefined ? { team } : { default: true as const };
  const limits = {
    gpus: limit(given.gpus),
    gpu_seconds: limit(given.gpuHours),
    max_duration_s: limit(given.time),
    gpu_types: limit(given.gpuTypes),
  };
  const some = Object.values(limits).some((value) => value !== undefined);
  if (action === "set") {
    if (!some) throw new UsageError("Give at least one limit: --gpus, --gpu-hours, --time or --gpu-types");
    return ctx.api().setQuota({ body: { ...whose, ...limits } });
  }
  if (action !== "unset") throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
  if (some)
    throw new UsageError("unset takes all limits away; to take one, give it as none: set --gpus none");
  const nothing = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };
  return ctx.api().setQuota({ body: { ...whose, ...nothing } });
}

const row = (quota: Quota): Cell[] => [
  quota.kind === "default" ? "everybody" : `${quota.kind} ${quota.name}`,
  quota.gpus === null ? "" : String(quota.gpus),
  hoursCell(quota.gpu_seconds),
  quota.max_duration_s === null
    ? ""
    : { text: formatDuration(quota.max_duration_s, "down"), value: String(quota.max_duration_s) },
  quota.gpu_types?.join(", ") ?? "",
];
