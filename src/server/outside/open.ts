/** A service whose end and return are logged, once each (O-04). */
import type { Logger } from "pino";
import { Service, type ServiceOptions } from "./service.ts";

export const openService = (options: ServiceOptions, logger: Logger): Service =>
  new Service({
    ...options,
    changed: (fault) =>
      fault
        ? logger.warn({ service: options.name, fault: fault.message }, "a service outside is taken for down")
        : logger.info({ service: options.name }, "a service outside answers again"),
  });
