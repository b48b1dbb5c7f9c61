/** What of the configuration file may be printed. */

const MAX_SHOWN = 80;

/** Without the user and the password of a URL in it, which may stand in a wrong place. */
export const withoutSecrets = (text: string): string => text.replaceAll(/:\/\/.*@/gs, "://…@");

/** A key or a value in an error: without secrets, and with at most 80 characters. */
export function shown(text: string): string {
  const safe = withoutSecrets(text);
  return safe.length > MAX_SHOWN ? `${safe.slice(0, MAX_SHOWN - 1)}…` : safe;
}
