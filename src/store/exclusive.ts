/** What only one server may have. */
import Database from "better-sqlite3";

/**
 * Holds the lock file `path` for this process until it is closed or the process dies: a transaction on a SQLite file, whose
 * lock the kernel drops. Throws when another process has it; `what` is what it stands for, in words.
 */
export function holdExclusively(path: string, what: string): { close(): void } {
  const guard = new Database(path, { timeout: 0 });
  try {
    guard.exec("begin exclusive");
    return guard;
  } catch (cause) {
    guard.close();
    if (!(cause instanceof Error && "code" in cause && cause.code === "SQLITE_BUSY")) throw cause;
    throw new Error(`${what} is in use by another gpu-dev server; stop that one first`, { cause });
  }
}
