/** Where the server posts what happens to a reservation: as it is typed, and as it is shown. */
import type { Reservation } from "../api/reservations.ts";
import { UsageError } from "./errors.ts";

/** An http or https URL. Throws UsageError. */
export function webhookUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url && ["http:", "https:"].includes(url.protocol)) return given;
  throw new UsageError(
    `${JSON.stringify(given)} is not an http or https URL`,
    "Write it with its scheme, such as https://ci.example.org/gpu-dev",
  );
}

/** The same, or the word "none". */
export const webhookOrNone = (given: string): string => (given === "none" ? given : webhookUrl(given));

/** Its host, and why it did not take the last post; the rest of the URL, which may hold secrets, is for `--json`. */
export function webhookWords({ webhook }: Reservation): string {
  if (!webhook) return "";
  const { host } = new URL(webhook.url);
  return webhook.last_error === null ? host : `${host} (the last post failed: ${webhook.last_error})`;
}
