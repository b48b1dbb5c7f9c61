/** docs/configuration.md: every key of the server's configuration file, from its schema. */
import type * as z from "zod";
import { liveKeys, settingsFile } from "../../src/server/config/schema.ts";

type Schema = z.core.$ZodType;
interface Key {
  readonly path: string;
  readonly description: string;
}

/** The whole page. */
export const configuration = (): string => `# The server's configuration file

Generated from the schema by \`npm run generate\`; do not edit.

\`gpu-dev server --config FILE\`; without it \`server.yaml\` in the directory of your configuration (\`~/.config/gpu-dev\`, or
\`GPU_DEV_HOME\`) is read if it is there, else \`/etc/gpu-dev/server.yaml\`. Every key may be left out, and so may the file: flags go
before the file, and the file before the defaults. A key that does not exist, or a value that cannot be, stops the start with the
file, the line and the path of the key.

After a change, \`kill -HUP\` the server: it reads ${liveKeys.map((key) => `\`${key}\``).join(", ")} again, and says which other changes wait for a
restart. A file that is wrong then is logged, and what was read before stays.

\`\`\`yaml
${EXAMPLE}\`\`\`

| key | what it says | read again |
|---|---|---|
${keysOf(settingsFile, "")
  .map(({ path, description }) => `| \`${path}\` | ${description} | ${isLive(path) ? "yes" : "restart"} |`)
  .join("\n")}

Types that the file does not name are offered as the driver reports them. A GPU that \`nodes\` cuts into slices is not given whole;
if somebody has it at that moment, its slices are given when he has left. Where \`slice_of\` or \`per_gpu\` changes while slices are
held, the type is closed on that node until the last of these is given back. On a machine with real GPUs the slices must have been
made by \`nvidia-smi mig\`; until they are, the slice type is unavailable there.
`;

/** A test reads it as the server would. */
export const EXAMPLE = `gpu_types:
  h100:
    description: NVIDIA H100 80 GB
    gpu_memory: 80Gi
    cpus: 24
    memory: 200Gi
    max_duration: 48h
    price_per_hour: 2.50
  h100-1g:
    slice_of: h100
    per_gpu: 7
    gpu_memory: 10Gi
    max_duration: 12h
    price_per_hour: 0.40
  cpu-large:
    places: 8          # a type without GPUs: so many reservations fit on a node
    cpus: 16
    memory: 64Gi

nodes:
  gpu-host-1:
    slices:
      h100-1g: [6, 7]  # these two GPUs are seven slices each

limits:
  tunnels_per_user: 300
`;

const isLive = (path: string): boolean => liveKeys.some((key) => path === key || path.startsWith(`${key}.`));

/** The keys below `schema`, those of a map below the word for its names, those of a list below `[]`. */
function keysOf(schema: Schema, path: string): Key[] {
  const { type, ...def } = (schema as z.ZodType).def as unknown as { type: string } & Record<string, Schema>;
  const inner = def.innerType;
  if (type === "optional" && inner) return keysOf(inner, path);
  if (type === "record" && def.valueType) return keysOf(def.valueType, `${path}.NAME`);
  if (type === "array" && def.element) return keysOf(def.element, `${path}[]`);
  if (type !== "object") return [];
  return Object.entries((schema as z.ZodObject).shape).flatMap(([name, child]) => {
    const below = path === "" ? name : `${path}.${name}`;
    return [{ path: below, description: descriptionOf(child) }, ...keysOf(child, below)];
  });
}

function descriptionOf(schema: Schema): string {
  const own = (schema as z.ZodType).description;
  const inner = ((schema as z.ZodType).def as { innerType?: Schema }).innerType;
  const words = own ?? (inner && descriptionOf(inner));
  if (words === undefined) throw new Error("a key of the configuration file has no description");
  return words;
}
