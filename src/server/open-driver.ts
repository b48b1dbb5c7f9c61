/** Opens the driver that the configuration names, and the disks that go with it. */
import type { Logger } from "pino";
import { DEFAULT_ENGINE } from "../api/engine-url.ts";
import { Problem } from "../api/errors.ts";
import type { Role } from "../api/roles.ts";
import { DEFAULT_RULES } from "../drivers/docker/images.ts";
import { createDockerDriver } from "../drivers/docker/open.ts";
import type { Driver } from "../drivers/driver.ts";
import { createLocalDriver } from "../drivers/local.ts";
import type { ServerOptions } from "./config/config.ts";
import { imageRules } from "./config/image-rules.ts";
import type { LiveSettings } from "./config/live.ts";

export interface DriverPlace {
  readonly dataDir: string;
  readonly deploymentId: string;
  readonly roles: ReadonlySet<Role>;
  readonly logger: Logger;
}

type Options = ServerOptions & { readonly live: LiveSettings };

export const isDocker = ({ driver }: ServerOptions): boolean => driver?.driver === "docker";

/** Throws Problem for what the configuration has to say otherwise, DriverError for what is not possible here. */
export function openDriver(
  options: Options,
  { dataDir, deploymentId, roles, logger }: DriverPlace,
): Promise<Driver> {
  const dialsOnly = !roles.has("api") && !roles.has("worker");
  const common = {
    dataDir,
    deploymentId,
    simulate: options.simulate,
    stated: options.live.stated,
    log: (fields: Record<string, unknown>, message: string) => logger.info(fields, message),
  };
  if (isDocker(options)) return createDockerDriver({ ...common, ...dockerOptions(options), dialsOnly });
  if (options.docker && options.driver === undefined) throw new Problem("invalid_input", DRIVER_UNSAID);
  return createLocalDriver({
    ...common,
    // How pods are kept apart matters to who launches them and to who says so.
    isolation: dialsOnly ? "processes" : options.isolation,
    // The administrator's token, the users' keys and the database's password are in these.
    mask: [
      options.home.stateDir,
      options.home.configDir,
      ...(options.configFile === undefined ? [] : [options.configFile]),
      ...(options.secretFiles ?? []),
    ],
  });
}

const DRIVER_UNSAID =
  "the configuration has `docker`, but not which driver is meant: write `driver: docker`, or `driver: local` to leave `docker` unused";

/** A URL that is given with the driver goes before the hosts of the configuration file. */
function dockerOptions({ driver, docker = {}, images }: ServerOptions) {
  const hosts = driver?.url === undefined ? docker.hosts : [{ url: driver.url }];
  const { helper_image: helperImage, ...rest } = docker;
  return {
    ...rest,
    helperImage,
    hosts: hosts ?? [{ url: DEFAULT_ENGINE }],
    images: imageRules(DEFAULT_RULES, images),
  };
}
