/** What a reservation is to run, as the request says it. */
import type { CreateReservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { checkImageWish, type ImageWish } from "./options.ts";

/** With --dockerfile, what is to be built is on the server afterwards, unless this is only a rehearsal. Throws UsageError. */
export async function imageOf(
  ctx: Context,
  given: ImageWish,
  rehearsal: boolean,
): Promise<Pick<CreateReservation, "image" | "build" | "entrypoint">> {
  checkImageWish(given);
  const { image, dockerfile, buildContext, entrypoint } = given;
  const how = entrypoint === undefined ? {} : { entrypoint };
  if (image !== undefined) return { image, ...how };
  if (dockerfile === undefined || rehearsal) return how;
  const { images } = await ctx.api().getDeployment({});
  if (!images)
    throw new UsageError(
      "This server builds no images",
      "Leave --dockerfile out; a server with `--driver docker` builds them.",
    );
  const { sendBuild } = await import("./upload.ts");
  return { build: await sendBuild(ctx, dockerfile, buildContext, images.context_max_bytes), ...how };
}
