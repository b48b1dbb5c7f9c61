/** What `reserve` asks a person for: all that a flag could have said, when one that matters is missing. */
import { exactDuration } from "../../api/duration.ts";
import type { GpuType } from "../../api/inventory.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { allPages } from "../http/all-pages.ts";
import { type ImageWish, imageName } from "../images/options.ts";
import { duration, name } from "../options.ts";
import { askGpuCount } from "./gpu-count.ts";
import { askGpuType } from "./gpu-type.ts";

/** The values that can be asked for. */
interface Asked {
  readonly gpuType: string | undefined;
  readonly gpus: number | undefined;
  readonly multiNode: boolean;
  /** Seconds. */
  readonly time: number | undefined;
  readonly name: string | undefined;
  readonly image: string | undefined;
}

/**
 * Those of `known`, and answers for the rest of them; undefined when the server has no such type, and says so itself. Changes nothing
 * anywhere; throws Declined on Ctrl-C (C-17).
 */
export async function interview(
  ctx: Context,
  known: Asked & Pick<ImageWish, "dockerfile">,
  suggestedS: number,
): Promise<Asked | undefined> {
  const gpuType = known.gpuType ?? (await askGpuType(ctx));
  const { items } = await allPages((query) => ctx.api().listGpuTypes({ query }));
  const type = items.find((item) => item.name === gpuType);
  if (!type) return undefined;
  const suggestion = Math.min(suggestedS, type.max_duration_s);
  const count = known.gpus === undefined ? await askGpuCount(ctx, type, known.time ?? suggestion) : known;
  const time = known.time ?? (await askTime(ctx, type, suggestion));
  const called = known.name ?? (await ctx.prompts.text("Name (may be left empty):", optionalName));
  const image = known.image ?? (known.dockerfile === undefined ? await askImage(ctx) : undefined);
  return { gpuType, ...count, multiNode: count.multiNode || known.multiNode, time, name: called, image };
}

function askTime(ctx: Context, { max_duration_s: longest }: GpuType, suggestion: number): Promise<number> {
  const read = (text: string): number => {
    const seconds = duration(text.trim());
    if (seconds <= longest) return seconds;
    throw new UsageError(`at most ${exactDuration(longest)}`);
  };
  const question = `How long, such as 90m, 4h or 2d (at most ${exactDuration(longest)})?`;
  return ctx.prompts.text(question, read, exactDuration(suggestion));
}

/** Where the server's driver has images; none is the server's own. */
async function askImage(ctx: Context): Promise<string | undefined> {
  const { images } = await ctx.api().getDeployment({});
  if (!images) return undefined;
  const read = (text: string) => (text.trim() === "" ? undefined : imageName(text.trim()));
  return ctx.prompts.text("Image, such as ubuntu:24.04 (may be left empty: the server's own):", read);
}

const optionalName = (text: string): string | undefined =>
  text.trim() === "" ? undefined : name(text.trim());
