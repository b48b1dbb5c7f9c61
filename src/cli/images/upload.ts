/** Sends what a build needs, as far as the server does not have it. */
import { open } from "node:fs/promises";
import type { Build } from "../../api/builds.ts";
import { RefusedRequest } from "../../api/client.ts";
import type { Context } from "../context.ts";
import { roundSize } from "../output/size.ts";
import { type PackedContext, packContext } from "./context.ts";

const PART_BYTES = 1024 * 1024;

/** The id of the build of this Dockerfile, whose context is on the server. Throws UsageError for one that cannot be sent. */
export async function sendBuild(
  ctx: Context,
  dockerfile: string,
  dir: string | undefined,
  maxBytes: number,
): Promise<string> {
  const packed = await packContext(dockerfile, dir, maxBytes);
  try {
    const { digest, bytes } = packed;
    const build = await ctx.api().createBuild({ body: { digest, bytes, dockerfile: packed.dockerfile } });
    if (build.received < bytes) {
      ctx.say(`Sending ${roundSize(bytes)} to be built`);
      await send(ctx, packed, build);
    }
    return build.id;
  } finally {
    await packed.remove();
  }
}

async function send(ctx: Context, { file, bytes }: PackedContext, { id, received }: Build): Promise<void> {
  const from = await open(file);
  try {
    for (let offset = received; offset < bytes; ) {
      const part = await from.read(new Uint8Array(Math.min(PART_BYTES, bytes - offset)), {
        position: offset,
      });
      offset = await sendPart(ctx, id, offset, part.buffer.subarray(0, part.bytesRead));
    }
  } finally {
    await from.close();
  }
}

/** How much the server has then. A part that came twice, or was lost with its answer, does no harm. */
async function sendPart(
  ctx: Context,
  id: string,
  offset: number,
  body: Uint8Array<ArrayBuffer>,
): Promise<number> {
  const params = { id };
  try {
    // The key makes it a request that may be sent again; the offset makes that harmless.
    const idempotencyKey = `${id}.${offset}`;
    const query = { offset: String(offset) };
    return (await ctx.api().uploadContext({ params, query, body, idempotencyKey })).received;
  } catch (error) {
    if (!(error instanceof RefusedRequest) || error.problem.code !== "conflict") throw error;
    const { received } = await ctx.api().getBuild({ params });
    if (received === offset) throw error;
    return received;
  }
}
