/** The options that say what a reservation runs. */
import { parseImageReference } from "../../api/image-reference.ts";
import { UsageError } from "../errors.ts";
import { choice, parsed, text } from "../options.ts";

export const imageOptions = {
  image: parsed(
    "--image <REF>",
    "What it runs: any image, such as ubuntu:24.04 (default: the server's)",
    imageName,
  ),
  dockerfile: text(
    "--dockerfile <PATH>",
    "Build what it runs from this file, with all that is beside it",
    "files",
  ),
  buildContext: text("--build-context <DIR>", "With --dockerfile: from this directory instead", "files"),
  entrypoint: choice("--entrypoint <WHAT>", "Run the image's own entrypoint beside sshd", ["keep"]),
};

export interface ImageWish {
  readonly image: string | undefined;
  readonly dockerfile: string | undefined;
  readonly buildContext: string | undefined;
  readonly entrypoint: "keep" | undefined;
}

/** Throws UsageError for options that do not go together. */
export function checkImageWish({ image, dockerfile, buildContext }: ImageWish): void {
  if (image !== undefined && dockerfile !== undefined)
    throw new UsageError("--image and --dockerfile exclude each other", "Leave one of them out.");
  if (buildContext !== undefined && dockerfile === undefined)
    throw new UsageError("--build-context needs --dockerfile: what is to be done with it");
}

/** Throws UsageError for what is no image's. */
export function imageName(given: string): string {
  if (parseImageReference(given)) return given;
  throw new UsageError(
    `${JSON.stringify(given)} is no image`,
    "It looks like ubuntu:24.04, nvcr.io/nvidia/pytorch:25.01-py3 or host:5000/team/image@sha256:…",
  );
}
