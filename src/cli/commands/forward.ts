/** `gpu-dev forward`: ports of the pod on this machine, until Ctrl-C or the end of the reservation. */
import { isIP } from "node:net";
import type { Reservation } from "../../api/reservations.ts";
import { defineCommand } from "../command.ts";
import { UsageError } from "../errors.ts";
import { findReservation, wordOrAsked } from "../find.ts";
import { count, parsed } from "../options.ts";
import { type Output, print } from "../output/output.ts";
import { label } from "../output/reservation.ts";
import { AccessWatch } from "../ssh/access-watch.ts";
import { Forwarding, type PortPair } from "../ssh/forward-ports.ts";
import { checkNode } from "../ssh/reach.ts";
import { tunnelServer } from "../ssh/tunnel-server.ts";
import { whenActive } from "../watching/ready.ts";

const LOOPBACK = "127.0.0.1";

const options = {
  address: parsed("--address <ADDRESS>", `Listen on this address instead of ${LOOPBACK}`, readAddress),
  node: parsed("--node <N>", "Which of several nodes, from 0 (default: 0)", count),
};

export const command = defineCommand({
  arguments: [
    {
      name: "reservation",
      summary:
        "Id, name, or the first 4 or more characters of the id; may be left out on a terminal, before one port",
      completes: "reservations",
    },
    {
      name: "ports",
      summary:
        "[LOCAL:]PORT: a port of the pod, and the local one if it is another; `:PORT` takes a free one",
      variadic: true,
    },
  ],
  options,
  details:
    "Runs until Ctrl-C, or until the reservation ends (exit 9). A local port that is taken is an error, and nothing is forwarded then. Each connection is a tunnel of its own, which survives a broken network like ssh's; at most 80 at once. With --json the addresses are one document, printed once they can be used.",
  examples: [
    { line: "gpu-dev forward train 8888", meaning: "http://127.0.0.1:8888 is port 8888 of the pod" },
    {
      line: "gpu-dev forward train 9000:80 :6006",
      meaning: "Two ports; the second one on a free local port",
    },
  ],
  async run(words, { address = LOOPBACK, node = 0 }, ctx): Promise<number> {
    const { word, pairs } = understand(words);
    const reservation = await whenActive(ctx, await findReservation(ctx.api(), await wordOrAsked(ctx, word)));
    checkNode(reservation, node);
    if (address !== LOOPBACK && address !== "::1")
      ctx.say(`Whoever reaches ${address} of this machine can use these ports.`);
    const watch = new AccessWatch(ctx, reservation);
    const interrupt = ctx.watchInterrupt(["SIGINT", "SIGTERM", "SIGHUP"]);
    const forwarding = new Forwarding({
      id: reservation.id,
      node,
      address,
      server: tunnelServer(ctx),
      say: (line) => ctx.say(line),
      endsAll: (code) => watch.mayBeOver(code),
    });
    try {
      const bound: PortPair[] = [];
      for (const pair of pairs) bound.push(await forwarding.listen(pair));
      await print(ctx, output(reservation, address, bound));
      if (ctx.io.stderr.isTTY) ctx.say("Ctrl-C ends it.");
      return await watch.untilOver(interrupt.signal);
    } finally {
      await forwarding.close();
      interrupt.stop();
    }
  },
});

function output(r: Reservation, address: string, bound: readonly PortPair[]): Output {
  return {
    json: {
      id: r.id,
      name: r.name,
      forwards: bound.map(({ local, remote }) => ({ address, port: local, pod_port: remote })),
    },
    header: ["LOCAL", "POD"],
    rows: bound.map(({ local, remote }) => [withPort(address, local), `${label(r)}:${remote}`]),
  };
}

const withPort = (address: string, port: number): string =>
  `${address.includes(":") ? `[${address}]` : address}:${port}`;

/** A word alone that is a port, or one with a colon, names no reservation. */
function understand(words: readonly string[]): { word: string | undefined; pairs: readonly PortPair[] } {
  const [first = "", ...rest] = words;
  const isUnnamed = first.includes(":") || (rest.length === 0 && /^\d+$/.test(first));
  const [word, specs] = isUnnamed ? [undefined, words] : [words[0], rest];
  if (specs.length > 0) return { word, pairs: specs.map(readPair) };
  throw new UsageError("Missing required argument 'ports'", "Such as: gpu-dev forward hello 8888");
}

function readPair(spec: string): PortPair {
  const [, local, remote = ""] = /^(?:(\d*):)?(\d+)$/.exec(spec) ?? [];
  const pair = { local: Number(local === undefined ? remote : local), remote: Number(remote) };
  if (remote === "" || pair.remote < 1 || pair.remote > 65_535 || pair.local > 65_535)
    throw new UsageError(
      `${JSON.stringify(spec)} is not a port`,
      "Write PORT, LOCAL:PORT or :PORT, with numbers from 1 to 65535.",
    );
  return pair;
}

function readAddress(given: string): string {
  if (given === "localhost") return LOOPBACK;
  if (isIP(given) > 0) return given;
  throw new UsageError(`${JSON.stringify(given)} is not an address`, "Such as 127.0.0.1, 0.0.0.0 or ::1.");
}
