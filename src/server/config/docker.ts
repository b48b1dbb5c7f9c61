/** The configuration file's keys for the Docker driver. */
import * as z from "zod";
import { ENGINE_FORMS, parseEngineUrl } from "../../api/engine-url.ts";
import { LABEL_FORMS, LABEL_KEY, LABEL_VALUE, MAX_LABELS } from "../../api/node-labels.ts";

const filePath = z.string().min(1);
const name = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "a node's name has a-z, 0-9 and inner -");
const gpuType = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, "a type's name has a-z, 0-9, and inner - or .");

/** YAML takes some values for numbers or booleans. */
const labels = z
  .record(
    z.string().regex(LABEL_KEY, LABEL_FORMS),
    z
      .union([z.string(), z.number(), z.boolean()])
      .transform(String)
      .pipe(z.string().regex(LABEL_VALUE, LABEL_FORMS)),
  )
  .refine((given) => Object.keys(given).length <= MAX_LABELS, `at most ${MAX_LABELS}`);

const host = z
  .strictObject({
    name: name.optional().describe("The node's name; default: what its Docker Engine calls itself"),
    url: z
      .string()
      .refine((url) => parseEngineUrl(url) !== undefined, `must be ${ENGINE_FORMS}`)
      .describe(`Its Docker Engine: \`${ENGINE_FORMS}\``),
    tls: z
      .strictObject({
        ca: filePath.describe("The authority that the engine's certificate is of"),
        cert: filePath.describe("What the engine knows this server by"),
        key: filePath.describe("Its private key"),
      })
      .optional()
      .describe("For `tcp://`: files in PEM, read for each connection"),
    gpus: z
      .array(
        z.strictObject({
          type: gpuType.describe("As it is to be called: `h100`"),
          count: z.int().min(1).max(1024).describe("How many of it"),
        }),
      )
      .min(1)
      .optional()
      .describe(
        "Its GPUs in the order in which its engine counts them, when nvidia-smi is not to be asked: `[{type: h100, count: 8}]`",
      ),
    labels: labels
      .optional()
      .describe(
        "What tells it from the others, for `reserve --node-label`: `{zone: a, nvlink: true}`; KEY and VALUE as there",
      ),
  })
  .superRefine(({ url, tls }, ctx) => {
    const { kind } = parseEngineUrl(url) ?? {};
    if (kind === "tcp" && !tls)
      ctx.addIssue({
        code: "custom",
        path: ["tls"],
        message: "without it whoever reaches the port is root on that machine; or use ssh://",
      });
  });

/** The same engine by other URLs is found out when it is asked. */
function noneTwice(
  hosts: readonly { readonly name?: string | undefined; readonly url: string }[],
  ctx: z.core.$RefinementCtx,
): void {
  for (const key of ["url", "name"] as const)
    for (const [i, { [key]: value }] of hosts.entries())
      if (value !== undefined && hosts.findIndex((other) => other[key] === value) < i)
        ctx.addIssue({
          code: "custom",
          path: [i, key],
          message: `another host has the same ${key}; each is a node of its own`,
        });
}

const image = z.string().regex(/^[a-z0-9][\w./:@-]{0,299}$/i, "is not the name of an image");

export const dockerSettings = z
  .strictObject({
    hosts: z
      .array(host)
      .min(1)
      .superRefine(noneTwice)
      .describe("Each is a node; default: this machine's Docker Engine"),
    image: image.describe("What pods are made of; default: `ubuntu:24.04`"),
    helper_image: image.describe(
      "What the sshd of pods and the agents of disks are taken from, for hosts with other processors than the server's, or a server that is not on Linux; default: the server's machine ([docker](docker.md#several-machines))",
    ),
  })
  .partial();

export type DockerSettings = z.output<typeof dockerSettings>;
