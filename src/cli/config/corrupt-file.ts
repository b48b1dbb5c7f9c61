/** A file of ours that cannot be understood is moved out of the way: nothing in it is lost, and the next command works. */
import { renameSync } from "node:fs";
import { basename } from "node:path";
import { CorruptFile } from "../../api/home.ts";
import type { Clock } from "../context.ts";
import { UsageError } from "../errors.ts";

const NEXT: Readonly<Record<string, string>> = {
  "credentials.json": "Log in again with `gpu-dev login URL`",
  "config.json": "Set again what you need with `gpu-dev config set`",
  "server.json": "Start the server again",
};

/** Sets aside the file that `error` comes from, and says where it is; any other error is answered as it is. */
export function setAside(error: unknown, clock: Clock): unknown {
  const corrupt = causesOf(error).find((cause) => cause instanceof CorruptFile);
  if (!corrupt) return error;
  const { file } = corrupt;
  const aside = `${file}.corrupt-${clock.now().toISOString().replace(/[-:.]/g, "")}`;
  try {
    renameSync(file, aside);
  } catch (trouble) {
    return new UsageError(corrupt.message, "Repair it or remove it.", trouble);
  }
  return new UsageError(
    `${file} could not be understood, and was set aside as ${basename(aside)}`,
    `${NEXT[basename(file)]}, or repair it and move it back.`,
    corrupt,
  );
}

function causesOf(error: unknown): Error[] {
  return error instanceof Error ? [error, ...causesOf(error.cause)] : [];
}
