/** What a reservation may run. */
import { Problem } from "../../api/errors.ts";
import { fullName, parseImageReference } from "../../api/image-reference.ts";
import type { CreateReservation } from "../../api/reservations.ts";
import type { Tx } from "../../store/db.ts";
import type { Core } from "../core.ts";
import type { Caller } from "../people/access.ts";
import { takeBuild } from "./builds.ts";
import { refuseBuilds, requireImages } from "./rules.ts";

/** Throws Problem impossible_request, invalid_input, not_allowed, not_found, not_ready. */
export async function checkImage(
  core: Core,
  tx: Tx,
  caller: Caller,
  input: CreateReservation,
): Promise<void> {
  const { image, build, entrypoint } = input;
  if (image === undefined && build === undefined && entrypoint === undefined) return;
  const { allow } = requireImages(core);
  if (image !== undefined && build !== undefined) throw both();
  if (image !== undefined && allow) requireAllowed(allow, image);
  if (build === undefined) return;
  refuseBuilds(core);
  await takeBuild(tx, caller, build);
}

function both(): Problem {
  const detail = "give image or build, not both";
  return new Problem("invalid_input", detail, { errors: [{ field: "build", code: "invalid", detail }] });
}

function requireAllowed(allow: readonly string[], image: string): void {
  const parsed = parseImageReference(image);
  const name = parsed ? fullName(parsed) : image;
  if (allow.some((pattern) => matches(pattern, name))) return;
  throw new Problem("not_allowed", `this server does not allow the image ${name}`, {
    hint: `it allows: ${allow.join(", ")}`,
  });
}

/** `*` is anything; all else is itself. */
function matches(pattern: string, name: string): boolean {
  const parts = pattern.split("*").map((part) => part.replace(/[.\\+?^$()[\]{}|]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`).test(name);
}
