/** `gpu-dev server` with its clock ahead, for runs that want reservations to expire: `shifted-server.ts AHEAD_MS FLAGS…`. */
import { homedir } from "node:os";
import { parseArgs } from "node:util";
import { homeOf } from "../../src/api/home.ts";
import { runServer } from "../../src/server/main.ts";

const [ahead, ...rest] = process.argv.slice(2);
const { values } = parseArgs({
  args: rest,
  options: {
    "data-dir": { type: "string" },
    listen: { type: "string" },
    simulate: { type: "string", multiple: true },
    isolation: { type: "string" },
    docker: { type: "string" },
    image: { type: "string" },
  },
});

/** The node has a name, so that it may start while the engine does not answer. */
const docker = values.docker && {
  driver: { driver: "docker" as const },
  docker: { hosts: [{ name: "box", url: values.docker }], ...(values.image && { image: values.image }) },
};

process.exitCode = await runServer(
  {
    dataDir: String(values["data-dir"]),
    listen: String(values.listen),
    simulate: (values.simulate ?? []).map((item) => {
      const [gpuType = "", count] = item.split(":");
      return { gpuType, count: Number(count) };
    }),
    logLevel: "warn",
    drainMaxS: 0,
    ...docker,
    isolation: values.isolation === "processes" ? "processes" : "auto",
    home: homeOf(process.env, homedir()),
    clock: { now: () => new Date(Date.now() + Number(ahead)) },
  },
  { stdout: process.stdout, stderr: process.stderr },
);
