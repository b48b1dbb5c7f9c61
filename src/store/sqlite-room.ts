/** Room for the database's own writes on a disk that others fill: pods keep their files beside it. */
import type Database from "better-sqlite3";

/** The log begins anew after so many pages of 4 KiB, over the blocks that it has: it does not grow past twice that. */
const CHECKPOINT_PAGES = 256;
const ROOM_BYTES = 2 * 1024 * 1024;

/**
 * Makes log and database larger than they need to be, once: what is rewritten in place, or goes to a free page, asks the disk for
 * nothing. So a reservation that filled the disk can still be ended, which is what frees it.
 */
export function keepRoom(database: Database.Database): void {
  database.pragma(`wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
  try {
    // Pages are taken and given back in two transactions, or they would never be written.
    database.exec("drop table if exists room; create table room (bytes blob)");
    database.prepare("insert into room values (zeroblob(?))").run(ROOM_BYTES);
    database.pragma("wal_checkpoint(restart)");
    database.exec("drop table room");
  } catch (error) {
    // It is full already: what there is has to do.
    if (!(error instanceof Error && "code" in error && error.code === "SQLITE_FULL")) throw error;
  }
}
