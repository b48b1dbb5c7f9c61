/**
 * Locks between the processes of one machine. Each is a small SQLite file, whose lock the kernel drops with its holder. No
 * call waits: a process that waited here would stand still.
 */
import Database from "better-sqlite3";

/** A lock that is held until it is closed or the process dies. */
export interface Hold {
  close(): void;
}

/** The lock file `path` for this process alone; undefined while another process has it. */
export function holdAlone(path: string): Hold | undefined {
  return attempt(path, (file) => file.exec("begin exclusive") !== undefined);
}

/** The lock file `path` together with all others of `group`; undefined while another group or one process alone has it. */
export function holdTogether(path: string, group: string): Hold | undefined {
  return attempt(path, (file) => {
    nameGroup(file, group);
    file.exec("begin");
    return file.prepare("select name from holders").pluck().get() === group;
  });
}

/** Whoever is there alone says which group it is; whoever is not finds that written. */
function nameGroup(file: Database.Database, group: string): void {
  try {
    file.exec("begin exclusive; create table if not exists holders (name text)");
    file.exec("delete from holders");
    file.prepare("insert into holders values (?)").run(group);
    file.exec("commit");
  } catch (error) {
    if (!isBusy(error)) throw error;
  }
}

function attempt(path: string, take: (file: Database.Database) => boolean): Hold | undefined {
  const file = new Database(path, { timeout: 0 });
  try {
    if (take(file)) return file;
  } catch (error) {
    if (!isBusy(error)) {
      file.close();
      throw error;
    }
  }
  file.close();
  return undefined;
}

const isBusy = (error: unknown): boolean =>
  error instanceof Error && "code" in error && error.code === "SQLITE_BUSY";
