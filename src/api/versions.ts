/** Which versions go together. */

/** The oldest command line that this server's contract works with; an older one is refused before anything is done. */
export const MIN_CLI = "0.1.0";

/** Three numbers, perhaps with a word behind them: nothing that a terminal would obey. */
export const isVersion = (text: string): boolean => /^\d{1,9}\.\d{1,9}\.\d{1,9}[\w.-]{0,30}$/.test(text);

/** Below 0, 0 or above 0, as `one` is older than, the same as or newer than `other`. */
export function compareVersions(one: string, other: string): number {
  const [a, b] = [one, other].map((version) => version.split(/[.-]/).map(Number));
  const at = [0, 1, 2].find((i) => a?.[i] !== b?.[i]);
  return at === undefined ? 0 : (a?.[at] ?? 0) - (b?.[at] ?? 0);
}
