/** By what a linked login is named: made of what it is, so that it is the same on every server. */
import { createHash } from "node:crypto";
import { idOf } from "../ids.ts";

export const identityId = ({ provider, subject }: { provider: string; subject: string }): string =>
  idOf(
    createHash("sha256")
      .update(JSON.stringify([provider, subject]))
      .digest(),
  );
