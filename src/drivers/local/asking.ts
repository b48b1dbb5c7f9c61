import { getSystemErrorMessage } from "node:util";
import { DiskRefused } from "../disks.ts";
import { DriverError, LaunchRefused } from "../driver.ts";

/** Whatever goes wrong while asking is a DriverError: it never reads as "absent". */
export async function asking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if ([DriverError, LaunchRefused, DiskRefused].some((kind) => error instanceof kind)) throw error;
    throw new DriverError(wordsOf(error), { cause: error });
  }
}

/** Users read it: a system call's error without the path that it names. */
export function wordsOf(error: unknown): string {
  const { message, code, errno } = error as NodeJS.ErrnoException;
  return errno === undefined ? message : `${code}: ${getSystemErrorMessage(errno)}`;
}
