/** Databases on the test run's PostgreSQL server. */
import { randomBytes } from "node:crypto";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import pg from "pg";
import { inject } from "vitest";

/** One statement as superuser; in `database`, or in the server's own. */
export async function asSuperuser(statement: string, database = "postgres"): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: `${inject("postgresUrl")}/${database}` });
  await client.connect();
  try {
    return (await client.query(statement)).rows;
  } finally {
    await client.end();
  }
}

export interface PostgresDatabase {
  readonly url: string;
  readonly name: string;
  drop(): Promise<void>;
}

/** An empty database of its own. */
export async function createDatabase(): Promise<PostgresDatabase> {
  const name = `gd_${randomBytes(6).toString("hex")}`;
  await asSuperuser(`create database ${name}`);
  return {
    name,
    url: `${inject("postgresUrl")}/${name}`,
    drop: async () => {
      await asSuperuser(`drop database ${name} with (force)`);
    },
  };
}

export interface Way {
  readonly url: string;
  /** Connections stay open, but nothing comes through any more, not even their end. */
  fallSilent(): void;
  close(): void;
}

/** Another way to the database at `url`. */
export async function openWay(url: string): Promise<Way> {
  const { hostname, port } = new URL(url);
  const sockets: Socket[] = [];
  let silent = false;
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    const on = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    for (const end of [socket, on]) end.on("error", () => end.destroy());
    sockets.push(socket, on);
    if (!silent) socket.pipe(on).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const way = new URL(url);
  way.hostname = "127.0.0.1";
  way.port = String((server.address() as AddressInfo).port);
  return {
    url: way.href,
    fallSilent() {
      silent = true;
      for (const socket of sockets) socket.unpipe().pause();
    },
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}
