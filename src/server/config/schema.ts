/** The configuration file's keys. Each has a description, from which docs/configuration.md is made; unknown keys are refused. */
import * as z from "zod";
import { DURATION_FORMS, exactDuration, parseDuration } from "../../api/duration.ts";
import { DRIVER_FORMS, parseDriver } from "../../api/engine-url.ts";
import { parseDollars } from "../../api/money.ts";
import { parseSimulated, SIMULATED_FORMS } from "../../api/simulated.ts";
import { parseSize, SIZE_FORMS } from "../../api/size.ts";
import { parseNetwork } from "../client-address.ts";
import { dockerSettings } from "./docker.ts";
import { imageSettings } from "./images.ts";
import { loginSettings } from "./logins.ts";
import { shown } from "./shown.ts";

const MAX_DURATION_S = 366 * 86_400;

/** A value that is written as text, or as a number where YAML takes it for one. */
const written = <T>(parse: (text: string) => T | undefined, forms: string) =>
  z.preprocess(
    (value) => (typeof value === "number" ? String(value) : value),
    z.string().transform((text, ctx): T => {
      const value = parse(text);
      if (value !== undefined) return value;
      ctx.addIssue({
        code: "custom",
        message: `${JSON.stringify(shown(text))} is not understood; write ${forms}`,
      });
      return z.NEVER;
    }),
  );

/** Seconds from `least` to `most`. */
const duration = (least: number, most: number) =>
  written(
    (text) => {
      const seconds = text === "0" ? 0 : parseDuration(text);
      return seconds !== undefined && seconds >= least && seconds <= most ? seconds : undefined;
    },
    `${DURATION_FORMS}, from ${least === 0 ? "0" : exactDuration(least)} to ${exactDuration(most)}`,
  );
const size = written((text) => parseSize(text) || undefined, SIZE_FORMS);
const dollars = written(parseDollars, "dollars such as 2.50, with at most 6 decimals");
const simulated = written(parseSimulated, SIMULATED_FORMS);
const typeName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?$/, "a type's name has a-z, 0-9, and inner - or .");
const nodeName = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, "a node's name has a-z, 0-9 and inner -");
export const POSTGRES = /^postgres(ql)?:\/\//;
const filePath = z.string().min(1);
const httpUrl = z.url({ protocol: /^https?$/ });
const network = z
  .string()
  .refine(
    (text) => parseNetwork(text) !== undefined,
    "must be an address such as 10.0.0.5, or a network such as 10.0.0.0/8",
  );
const gpuIndex = z.int().min(0).max(1023);

const gpuType = z
  .strictObject({
    description: z.string().max(200).describe("Words for people"),
    gpu_memory: size.describe("Memory of one GPU: `80Gi`"),
    cpus: z
      .int()
      .min(1)
      .max(4096)
      .describe(
        "Processors that come with one GPU, or with one place of a type without GPUs; shown, not enforced by the local driver",
      ),
    memory: size.describe(
      "Main memory that comes with one GPU or place: `200Gi`; shown, not enforced by the local driver",
    ),
    max_duration: duration(60, MAX_DURATION_S).describe(
      "Longest reservation, with all extensions; default: the driver's (48h with GPUs, 7d without)",
    ),
    idle_after: duration(0, MAX_DURATION_S).describe(
      "A reservation without ssh connection and without work for its GPUs is ended after so long, and told so before; 0 for never; default: `idle_after` of the server",
    ),
    price_per_hour: dollars.describe("Dollars for an hour of one GPU or place: `2.50`; default: none"),
    slice_of: typeName.describe(
      "Makes it a slice of that type's GPUs (MIG); `nodes` says which GPUs are cut into it",
    ),
    per_gpu: z.int().min(1).max(64).describe("With `slice_of`: how many of these one GPU is cut into"),
    places: z
      .int()
      .min(1)
      .max(100_000)
      .describe("Makes it a type without GPUs, of which each real node has so many places"),
  })
  .partial()
  .superRefine((type, ctx) => {
    const fault = (key: string, message: string) => ctx.addIssue({ code: "custom", path: [key], message });
    if (type.slice_of !== undefined && type.per_gpu === undefined)
      fault("slice_of", "per_gpu is missing: into how many of these is a GPU cut?");
    if (type.per_gpu !== undefined && type.slice_of === undefined)
      fault("per_gpu", "is only for slices: slice_of is missing");
    if (type.places !== undefined && type.slice_of !== undefined)
      fault("places", "a slice is a part of a GPU, so that its places follow from the GPUs that are cut");
    if (type.places !== undefined && type.gpu_memory !== undefined)
      fault("gpu_memory", "a type with places has no GPUs");
  });

const node = z
  .strictObject({
    slices: z
      .record(typeName, z.array(gpuIndex).min(1))
      .describe(
        "By slice type, the indices of the GPUs that are cut into it; these are not given whole any more",
      ),
  })
  .partial();

const perMinute = z.int().min(0).max(10_000_000);

const limits = z
  .strictObject({
    tunnels_per_reservation: z
      .int()
      .min(1)
      .max(10_000)
      .describe("Open connections to one reservation; default 100"),
    tunnels_per_user: z.int().min(1).max(10_000).describe("Open connections of one user; default 200"),
    requests_per_token: perMinute.describe(
      "Requests with one token in a minute, a sixth of them at once; 0 for no limit; default 6000. Each server counts for itself; open tunnels and streams do not count",
    ),
    requests_per_address: perMinute.describe(
      "The same for one address (of IPv6 its /64 network), but for loopback; default 30000",
    ),
    failed_logins_per_address: perMinute.describe(
      "Requests with a token that is no good, and logins that are begun and not finished, from one address in a minute, but for loopback; 0 for no limit; default 30",
    ),
  })
  .partial();

const webhooks = z
  .strictObject({
    allow_private: z
      .boolean()
      .describe("Post to loopback, private and link-local addresses as well; default: public addresses only"),
    allow_hosts: z
      .array(z.string().min(1).max(253).toLowerCase())
      .describe("Names or addresses that may be private: `[ci.internal]`"),
  })
  .partial();

/** As a browser writes it. */
const origin = z
  .string()
  .refine(
    (text) => /^https?:/.test(text) && URL.parse(text)?.origin === text,
    "an origin is written https://dash.example.org, without a path",
  );

/** What is read again on SIGHUP. */
export const liveKeys = ["gpu_types", "nodes", "limits", "webhooks", "cors_origins"] as const;

export const settingsFile = z
  .strictObject({
    listen: z
      .string()
      .describe(
        "HOST:PORT for the process with the role `api`; beyond loopback only with `tls_cert` or `behind_proxy`; `--listen`",
      ),
    tls_cert: filePath.describe(
      "Certificate in PEM, with those that lead to its authority; read again when it changes, and on SIGHUP",
    ),
    tls_key: filePath.describe("Its private key, in PEM without a password; `chmod 600` the file"),
    behind_proxy: z
      .array(network)
      .min(1)
      .describe(
        "Addresses or networks of the proxies that end TLS: `[10.0.0.5]`; only their X-Forwarded-For is believed",
      ),
    public_url: httpUrl.describe(
      "Where users reach the API: `https://gpu.example.com`; default: where it listens, by a name of the certificate",
    ),
    metrics_listen: z
      .string()
      .describe(
        "HOST:PORT of a listener for `/metrics`, `/healthz` and `/readyz` alone, which asks for no token; default: none",
      ),
    data_dir: z.string().min(1).describe("Directory of the database and the pods; `--data-dir`"),
    database: z
      .string()
      .regex(POSTGRES, "must begin with postgres://")
      .describe("PostgreSQL instead of SQLite; `--database`. It may hold a password: `chmod 600` the file"),
    database_file: filePath.describe(
      "File with that URL and nothing else, as secrets of containers are; instead of `database`",
    ),
    secrets_key_file: filePath.describe(
      "File with 32 random bytes in base64 (`openssl rand -base64 32`), with which logins for registries are encrypted; the same for all servers of a database. Default: `secrets.key` in the data directory, made at the first start",
    ),
    domain: z.string().min(1).max(200).describe("Domain of the reservations' ssh hosts; `--domain`"),
    isolation: z
      .enum(["auto", "namespaces", "processes"])
      .describe(
        "How pods of the local driver are kept apart: `auto`, `namespaces` or `processes`; `--isolation`",
      ),
    driver: written(parseDriver, DRIVER_FORMS).describe(
      "Where GPUs come from: `local`, this machine; `docker`, the hosts of `docker`, or this machine's engine; `docker=URL`, that engine; `--driver`",
    ),
    docker: dockerSettings.describe("For `driver: docker`"),
    log_level: z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"])
      .describe("`trace`, `debug`, `info`, `warn`, `error`, `fatal` or `silent`; `--log-level`"),
    simulate: z
      .array(simulated)
      .describe(
        'GPUs that do not exist, marked so everywhere: `["h100:8"]`, or on nodes that do not exist either `["h100:8x4"]`; `--simulate`',
      ),
    detach_max: duration(10, 86_400).describe(
      "How long a tunnel whose connection broke waits for its client; `--detach-max`",
    ),
    drain_max: duration(0, 7 * 86_400).describe(
      "How long a stopped server lives on for open ssh sessions; `--drain-max`",
    ),
    idle_after: duration(0, MAX_DURATION_S).describe(
      "A reservation that nobody uses is ended after so long: of types that do not say it themselves; default: never; `--idle-after`",
    ),
    traces: httpUrl.describe(
      "Where spans of requests, steps and driver calls are posted, as OTLP over HTTP in JSON: `http://127.0.0.1:4318/v1/traces`; default: nowhere",
    ),
    audit_retention: duration(0, 3660 * 86_400).describe(
      "How long entries of the audit trail are kept; `0` for ever; default: 400d",
    ),
    pod_url: httpUrl.describe(
      "Where pods reach the API, to show and cancel their own reservation; `--pod-url`",
    ),
    tunnel_url: httpUrl.describe(
      "Where this user's tunnels go, when not through the API's process; `--tunnel-url`",
    ),
    github_keys_url: z
      .string()
      .regex(/^(?:none|https?:\/\/.+)$/, "must be an http or https URL, or none")
      .describe("Where ssh keys of collaborators from GitHub are had, or `none`; `--github-keys-url`"),
    logins: loginSettings.describe("Who may log in without being given a token first ([logins](logins.md))"),
    login_ttl: duration(300, MAX_DURATION_S).describe(
      "How long the token of such a login is good; default: 7d",
    ),
    images: imageSettings.describe("For a driver that has images ([images](images.md))"),
    gpu_types: z
      .record(typeName, gpuType)
      .describe("By name of the type, as the driver reports it or as you make it up"),
    nodes: z.record(nodeName, node).describe("By name of the node, as `gpu-dev show` has it"),
    limits: limits.describe("Bounds for users"),
    cors_origins: z
      .array(origin)
      .describe(
        "Origins of web pages that may use the API from a browser, each with a token of its user's: `[https://dash.example.org]`; default: none",
      ),
    webhooks: webhooks.describe("Where reservations may be posted to ([webhooks](webhooks.md))"),
  })
  .partial()
  .superRefine((file, ctx) => {
    if ((file.tls_cert === undefined) !== (file.tls_key === undefined))
      ctx.addIssue({
        code: "custom",
        path: [file.tls_cert === undefined ? "tls_key" : "tls_cert"],
        message: "tls_cert and tls_key go together",
      });
    if (file.database !== undefined && file.database_file !== undefined)
      ctx.addIssue({ code: "custom", path: ["database_file"], message: "database says it already" });
    for (const [path, message] of sliceFaults(file.gpu_types ?? {}, file.nodes ?? {}))
      ctx.addIssue({ code: "custom", path, message });
  });
export type SettingsFile = z.output<typeof settingsFile>;

type Types = NonNullable<z.output<typeof settingsFile>["gpu_types"]>;
type Nodes = NonNullable<z.output<typeof settingsFile>["nodes"]>;
type Fault = readonly [path: (string | number)[], message: string];

/** A slice is a part of a whole GPU, and a GPU is cut in one way (S-01). */
function sliceFaults(types: Types, nodes: Nodes): Fault[] {
  const ofSlices = Object.entries(types).flatMap(([name, { slice_of }]): Fault[] => {
    const of = slice_of === undefined ? undefined : types[slice_of];
    const whole = slice_of !== name && of?.slice_of === undefined && of?.places === undefined;
    return whole ? [] : [[["gpu_types", name, "slice_of"], `${slice_of} is no type of whole GPUs`]];
  });
  return [
    ...ofSlices,
    ...Object.entries(nodes).flatMap(([name, { slices = {} }]) => cutFaults(types, name, slices)),
  ];
}

function cutFaults(types: Types, node: string, slices: Readonly<Record<string, number[]>>): Fault[] {
  const seen = new Map<string, string>();
  return Object.entries(slices).flatMap(([type, gpus]): Fault[] => {
    const path = ["nodes", node, "slices", type];
    const of = types[type]?.slice_of;
    if (of === undefined) return [[path, `gpu_types has no ${type} with slice_of`]];
    return gpus.flatMap((gpu, i): Fault[] => {
      const key = `${of} ${gpu}`;
      const earlier = seen.get(key);
      seen.set(key, type);
      return earlier === undefined ? [] : [[[...path, i], `${of} ${gpu} is cut into ${earlier} already`]];
    });
  });
}
