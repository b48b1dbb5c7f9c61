/** Opens the Docker driver: the hosts as they are configured, each asked who it is. */
import { ENGINE_FORMS, parseEngineUrl } from "../../api/engine-url.ts";
import { Problem } from "../../api/errors.ts";
import { DockerDriver } from "../docker.ts";
import { type Driver, DriverError, LaunchRefused, type StatedTypes } from "../driver.ts";
import { nodeName } from "../local/capacity.ts";
import type { Simulated } from "../local/simulated.ts";
import { type EngineTls, routeTo } from "./address.ts";
import { Engine, EngineUnreachable, isTls } from "./engine.ts";
import { helperPrograms } from "./helper-image.ts";
import { DockerHost } from "./host.ts";
import { Identities, SameEngine } from "./identities.ts";
import { DEFAULT_IMAGE, DEFAULT_RULES, type ImageRules, Images } from "./images.ts";
import { Names } from "./names.ts";
import { ownPrograms, type Programs } from "./programs.ts";
import type { EngineInfo } from "./share.ts";

interface DockerHostConfig {
  /** The node's; default: what the engine calls itself. */
  readonly name?: string | undefined;
  readonly url: string;
  readonly tls?: EngineTls | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** Instead of what nvidia-smi says there. */
  readonly gpus?: undefined | readonly { readonly type: string; readonly count: number }[];
}

export interface DockerDriverOptions {
  readonly dataDir: string;
  readonly deploymentId: string;
  readonly hosts: readonly DockerHostConfig[];
  /** Of pods that ask for none. */
  readonly image?: string | undefined;
  readonly images?: ImageRules | undefined;
  /** What pods' sshd and the disks' agents are taken from; default: the server's machine. */
  readonly helperImage?: string | undefined;
  /** GPUs that only exist for demonstrations and tests; on the first host. */
  readonly simulate: readonly Simulated[];
  readonly stated?: () => StatedTypes;
  readonly maxDurationS?: number;
  /** Only streams to pods are asked for: what the hosts have is not found out. */
  readonly dialsOnly?: boolean;
  log(fields: Record<string, unknown>, message: string): void;
}

/** A driver for these hosts. Throws Problem for what must be mended first: a wrong URL, a host that does not answer and has no name. */
export async function createDockerDriver(options: DockerDriverOptions): Promise<Driver> {
  const { dataDir, hosts, image = DEFAULT_IMAGE, images = DEFAULT_RULES, log } = options;
  const names = new Names(options.deploymentId);
  const found = new Images(
    names,
    image,
    images,
    options.helperImage === undefined ? [] : [options.helperImage],
  );
  const common = { names, images: found, identities: new Identities() };
  const opened: DockerHost[] = [];
  for (const [i, host] of hosts.entries())
    opened.push(await openHost(options, host, { ...common, simulate: i === 0 ? options.simulate : [] }));
  const twice = opened.find((host, i) => opened.findIndex((other) => other.node === host.node) !== i);
  if (twice) throw invalid(`two Docker hosts are called ${twice.node}; give each a name of its own`);
  if (!options.dialsOnly) await prepare(opened, options);
  return new DockerDriver({
    dataDir,
    names,
    hosts: opened,
    images: found,
    log,
  });
}

/** What no host can do without is said at once. */
async function prepare(hosts: readonly DockerHost[], { helperImage }: DockerDriverOptions): Promise<void> {
  if (helperImage === undefined)
    await ownPrograms.tools().catch((cause: unknown) => {
      throw cause instanceof LaunchRefused ? invalid(cause.message) : cause;
    });
  const [same] = (await Promise.allSettled(hosts.map((host) => host.info()))).flatMap((asked) =>
    asked.status === "rejected" && asked.reason instanceof SameEngine ? [asked.reason] : [],
  );
  if (same) throw invalid(same.message);
  await Promise.all(hosts.map((host) => host.check()));
}

interface Common {
  readonly names: Names;
  readonly images: Images;
  readonly identities: Identities;
  readonly simulate: readonly Simulated[];
}

async function openHost(options: DockerDriverOptions, host: DockerHostConfig, common: Common) {
  const address = parseEngineUrl(host.url);
  if (!address)
    throw invalid(`${JSON.stringify(host.url)} is not the URL of a Docker Engine; write ${ENGINE_FORMS}`);
  const route = await routeTo(address, host.tls).catch((cause: Error) => {
    throw new Problem("invalid_input", `Docker host ${host.name ?? host.url}: ${cause.message}`, {
      cause: cause.cause,
    });
  });
  const node =
    host.name ?? (options.dialsOnly ? host.url : nodeName((await whoIs(new Engine(route), host.url)).Name));
  const engine = new Engine(route, { host: node, changed: (fault) => tellReach(options, node, fault) });
  const programs = programsFor(options, engine, node, common);
  const { gpus, labels } = host;
  return new DockerHost({
    ...options,
    ...common,
    engine,
    node,
    programs,
    ...(gpus && { gpus }),
    ...(labels && { labels }),
  });
}

function tellReach({ log }: DockerDriverOptions, node: string, fault: Error | undefined): void {
  if (fault === undefined) log({ node }, "a Docker host can be asked again");
  else
    log(
      { node, fault: fault.message },
      "a Docker host cannot be asked; nothing new is placed on it meanwhile",
    );
}

function programsFor(
  { helperImage: ref, log }: DockerDriverOptions,
  engine: Engine,
  node: string,
  { names, images }: Common,
): Programs {
  if (ref === undefined) return ownPrograms;
  // It is what room would be measured with.
  const room = async () => Number.POSITIVE_INFINITY;
  let said = "";
  const find = () =>
    images.chosen({ node, engine, room }, ref, (words) => {
      // How far it is is for who waits for a pod.
      if (said === "") log({ node }, words);
      said = words;
    });
  return helperPrograms({ engine, names, ref, find });
}

async function whoIs(engine: Engine, url: string): Promise<EngineInfo> {
  try {
    return await engine.ask<EngineInfo>("GET", "/info");
  } catch (cause) {
    engine.close();
    if (!(cause instanceof DriverError)) throw cause;
    const code = cause instanceof EngineUnreachable ? (isTls(cause.code) ? "TLS" : cause.code) : "";
    throw new Problem("invalid_input", `${url}: ${cause.message}; ${REMEDY[code] ?? OTHER_REMEDY}`, {
      cause: cause.cause,
    });
  }
}

const OTHER_REMEDY = "see whether `docker version` works with that host";
const REMEDY: Readonly<Record<string, string>> = {
  ENOENT: "install Docker (docs.docker.com/engine/install) and start it: systemctl start docker",
  TLS: "see whether ca, cert and key of the host's tls are those of that engine, and none has expired",
  ECONNREFUSED: "start it: systemctl start docker",
  EACCES: "run the server as a user of the group docker: usermod -aG docker NAME, then log in again",
  ESSH: "see whether `ssh` to that host works without a question, and `docker version` there",
};

const invalid = (detail: string): Problem => new Problem("invalid_input", detail);
