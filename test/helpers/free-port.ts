/** Ports for programs that do not choose their own. */
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * A port that was free a moment ago. Below those that the system gives to connections, which would take it before it is
 * listened on, or while what listens there is started again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (await isFree(port)) return port;
  }
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EADDRINUSE") return false;
    throw error;
  }
  server.close();
  await once(server, "close");
  return true;
}
