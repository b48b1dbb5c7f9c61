/** What only this process knows of its own work: it starts at zero with it. */
import { CALL_FAULTS, CALLS } from "../../core/calls.ts";
import { type Core, POST_OUTCOMES, RELOAD_OUTCOMES } from "../../core/core.ts";
import type { Families } from "./families.ts";

/** Seconds: a reservation that is being prepared, a first login, a call of the driver, a request. */
const PREPARING = [0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const CALL = [0.001, 0.005, 0.025, 0.1, 0.5, 2.5, 10, 30, 120];
const REQUEST = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

const CLASSES = ["2xx", "3xx", "4xx", "5xx"] as const;

/** Declares and records what is told by signals. */
export function reconcilerFamilies(families: Families, { signals }: Core): void {
  const preparing = families.histogram(
    "gpu_dev_preparing_seconds",
    "From the placement of a reservation until ssh works, as seen by this process",
    PREPARING,
  );
  const verifying = families.histogram(
    "gpu_dev_ssh_verification_seconds",
    "From the launch of a pod until its first login is proved, as seen by this process",
    PREPARING,
  );
  const posted = families.counter(
    "gpu_dev_webhook_posts_total",
    "Posts to webhooks by this process: delivered, not taken and tried again, or given up",
    { outcome: POST_OUTCOMES },
  );
  signals.on("posted", (outcome) => posted.inc({ outcome }));
  signals.on("activated", ({ preparingMs, verifyingMs }) => {
    preparing.observe(preparingMs / 1000);
    verifying.observe(verifyingMs / 1000);
  });
  driverFamilies(families, signals);
  reloadFamilies(families, signals);
}

function reloadFamilies(families: Families, signals: Core["signals"]): void {
  const reloads = families.counter(
    "gpu_dev_config_reloads_total",
    "Times that this process was told to read its configuration again: taken, or refused because of what",
    { outcome: RELOAD_OUTCOMES },
  );
  const refused = families.gauge(
    "gpu_dev_config_refused",
    "1 while the configuration that was read last is not the one in the file, which was refused",
  );
  signals.on("reloaded", (outcome) => {
    reloads.inc({ outcome });
    refused.set(outcome === "taken" ? 0 : 1);
  });
}

function driverFamilies(families: Families, signals: Core["signals"]): void {
  const took = families.histogram(
    "gpu_dev_driver_call_seconds",
    "Calls of the driver and of the disks by this process, however they ended",
    CALL,
    { verb: CALLS },
  );
  const faults = families.counter(
    "gpu_dev_driver_errors_total",
    "Calls that failed, or that were late; a refusal is no error",
    { verb: CALLS, fault: CALL_FAULTS },
  );
  signals.on("called", (verb, ms) => took.observe({ verb }, ms / 1000));
  signals.on("fault", (verb, fault) => faults.inc({ verb, fault }));
}

/** Declares what is known of requests; the answer records one. */
export function requestFamilies(families: Families): (status: number, ms: number) => void {
  const requests = families.counter(
    "gpu_dev_http_requests_total",
    "Requests that this process has answered, by the class of the status",
    { status: CLASSES },
  );
  const took = families.histogram(
    "gpu_dev_http_request_seconds",
    "From a request's headers to the headers of its answer",
    REQUEST,
  );
  return (status, ms) => {
    requests.inc({ status: CLASSES[Math.floor(status / 100) - 2] ?? "5xx" });
    took.observe(ms / 1000);
  };
}
