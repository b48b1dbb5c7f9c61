/** What somebody who mistyped a word may have meant. */

/** The one of `candidates` that is the fewest typing mistakes away; undefined when none is near. */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const given = word.toLowerCase();
  const [best] = candidates
    .map((candidate) => ({ candidate, mistakes: mistakesBetween(given, candidate.toLowerCase()) }))
    .filter(
      ({ candidate, mistakes }) => mistakes <= Math.min(3, Math.max(word.length, candidate.length) * 0.4),
    )
    .sort((a, b) => a.mistakes - b.mistakes);
  return best?.candidate;
}

/** Letters added, left out, replaced, or swapped with the next one (the distance of Damerau and Levenshtein, without overlaps). */
function mistakesBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) rows.push(nextRow(rows, a, b, i));
  return at(rows, a.length, b.length);
}

function nextRow(rows: readonly number[][], a: string, b: string, i: number): number[] {
  const row = [i];
  const all = [...rows, row];
  for (let j = 1; j <= b.length; j++) {
    const replaced = at(all, i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1);
    const swapped = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1] ? at(all, i - 2, j - 2) + 1 : replaced;
    row.push(Math.min(replaced, swapped, at(all, i - 1, j) + 1, at(all, i, j - 1) + 1));
  }
  return row;
}

const at = (rows: readonly (readonly number[])[], i: number, j: number): number =>
  rows[i]?.[j] ?? Number.POSITIVE_INFINITY;
