/** What a server process really keeps, asked of V8 over the inspector: the program that is measured is the one that users run. */
import { once } from "node:events";

/** The environment of a process whose heap is to be looked into. */
export const INSPECTED = { NODE_OPTIONS: "--inspect=127.0.0.1:0" };

export interface Heap {
  /** Bytes that are reached after a collection: objects, and buffers outside of V8's heap; not compiled code. */
  kept(): Promise<number>;
  /** While it is open, the process does not end. */
  close(): void;
}

interface Answer {
  readonly id: number;
  readonly result: { readonly result?: { readonly value?: unknown } };
}

/** Of the process that has logged this. */
export async function openHeap(log: string): Promise<Heap> {
  const url = /Debugger listening on (ws:\S+)/.exec(log)?.[1];
  if (url === undefined) throw new Error(`the process has no inspector\n${log}`);
  const socket = new WebSocket(url);
  await once(socket, "open");
  let calls = 0;
  const call = async (method: string, params = {}): Promise<Answer["result"]> => {
    const id = ++calls;
    socket.send(JSON.stringify({ id, method, params }));
    for (;;) {
      const [{ data }] = (await once(socket, "message")) as [MessageEvent];
      const answer = JSON.parse(String(data)) as Answer;
      if (answer.id === id) return answer.result;
    }
  };
  return {
    async kept() {
      // What finalizers let go of in the first one goes with the second.
      for (let i = 0; i < 2; i++) await call("HeapProfiler.collectGarbage");
      const { result } = await call("Runtime.evaluate", { expression: KEPT, returnByValue: true });
      return Number(result?.value);
    },
    close: () => socket.close(),
  };
}

// Without what the compiler made of the program: that comes as parts of it are used, and goes when they are not for a while.
const KEPT = `(({ getHeapSpaceStatistics }) =>
  getHeapSpaceStatistics()
    .filter(({ space_name }) => !/code|trusted|read_only/.test(space_name))
    .reduce((sum, { space_used_size }) => sum + space_used_size, process.memoryUsage().external))(
  process.getBuiltinModule("node:v8"))`;
