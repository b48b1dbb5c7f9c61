/** The keys of the configuration file below `images`: what pods may be made of, and how images are built. */
import * as z from "zod";
import { exactDuration, parseDuration } from "../../api/duration.ts";
import { registryHost } from "../../api/image-reference.ts";
import { parseSize, SIZE_FORMS } from "../../api/size.ts";

const size = (least: number) =>
  z.string().transform((text, ctx): number => {
    const bytes = parseSize(text);
    if (bytes !== undefined && bytes >= least) return bytes;
    ctx.addIssue({ code: "custom", message: `must be a size such as ${SIZE_FORMS}` });
    return z.NEVER;
  });

const duration = (least: number, most: number) =>
  z.string().transform((text, ctx): number => {
    const seconds = parseDuration(text);
    if (seconds !== undefined && seconds >= least && seconds <= most) return seconds;
    const message = `must be a duration from ${exactDuration(least)} to ${exactDuration(most)}`;
    ctx.addIssue({ code: "custom", message });
    return z.NEVER;
  });

const registry = z
  .strictObject({
    username: z.string().min(1).max(255).describe("Who the server is there"),
    password_file: z
      .string()
      .min(1)
      .describe(
        "File with the password or token; read for each image, so that it may be changed at any time",
      ),
  })
  .partial()
  .refine(
    (login) => (login.username === undefined) === (login.password_file === undefined),
    "give username and password_file, or neither",
  );

const pull = z
  .strictObject({
    time_max: duration(10, 24 * 3600).describe("How long an image may take to come; default: 30m"),
    size_max: size(2 ** 20).describe("How much of one image may come, compressed as it is; default: 50Gi"),
    free_min: size(0).describe(
      "What stays free where the host's engine keeps its images; with less nothing is pulled or built. Default: 2Gi",
    ),
    patience: duration(1, 3600).describe(
      "How long a registry that cannot be reached is asked again, while the reservation's GPUs wait; default: 3m",
    ),
    keep: duration(86_400, 3660 * 86_400).describe(
      "How long an image stays that was pulled for users and that nobody asks for, to the day; default: 14d",
    ),
  })
  .partial();

const build = z
  .strictObject({
    network: z
      .string()
      .regex(/^[a-zA-Z0-9][\w.-]{0,100}$/)
      .describe(
        "The engine's network that builds have, or `none`; default: one of their own, from which no pod is reached",
      ),
    time_max: duration(10, 24 * 3600).describe("How long a build may take; default: 30m"),
    context_max: size(1024).describe("What may be sent to be built; default: 512Mi"),
    image_max: size(2 ** 20).describe("How large a built image may get; default: 32Gi"),
    memory: size(2 ** 24).describe("Memory of a build; default: 8Gi"),
    cpus: z.number().min(0.1).max(1024).describe("Processors of a build; default: 2"),
    pids: z
      .int()
      .min(64)
      .max(4_194_304)
      .describe("Processes and threads of one step of a build; default: 4096"),
    keep: duration(3600, 3660 * 86_400).describe(
      "How long a built image stays that nobody reserves with; default: 14d",
    ),
  })
  .partial();

export const imageSettings = z
  .strictObject({
    allow: z
      .array(z.string().min(1).max(512))
      .min(1)
      .describe(
        "Images that may be reserved, by their whole names, where `*` is anything: `[docker.io/pytorch/*]`; then nothing is built. Default: all",
      ),
    registries: z
      .record(
        z
          .string()
          .refine((host) => registryHost(host) === host, "must be the host of a registry, such as ghcr.io"),
        registry,
      )
      .describe(
        "By the registry's host: those that users may name also where they are within the hosts' own networks (`{}`), and logins for all who have none of their own there",
      ),
    pull: pull.describe("Bounds of what comes from registries"),
    build: build.describe("Bounds of `reserve --dockerfile`"),
  })
  .partial();
export type ImageFile = z.output<typeof imageSettings>;
