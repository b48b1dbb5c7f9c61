/** Sizes as users type them, in bytes on the wire. Exact: `G` is 10^9, `Gi` is 2^30, and nothing is rounded (C-26). */

const UNIT_BYTES: Readonly<Record<string, bigint>> = {
  b: 1n,
  k: 10n ** 3n,
  m: 10n ** 6n,
  g: 10n ** 9n,
  t: 10n ** 12n,
  ki: 2n ** 10n,
  mi: 2n ** 20n,
  gi: 2n ** 30n,
  ti: 2n ** 40n,
};
const SIZE = /^(\d{1,9})(?:\.(\d{1,9}))? ?(?:([kmgt]i?)b?|b)$/i;

export const SIZE_FORMS = "80G (10^9 each), 80Gi (2^30 each), 512Mi or 1.5Ti";

/** Bytes of `text`; undefined when it is not a size of whole bytes (a bare number is none). */
export function parseSize(text: string): number | undefined {
  const match = SIZE.exec(text);
  if (!match) return undefined;
  const [, whole = "", fraction = "", unit = "b"] = match;
  const scale = 10n ** BigInt(fraction.length);
  const scaled = BigInt(whole + fraction) * (UNIT_BYTES[unit.toLowerCase()] ?? 1n);
  const bytes = Number(scaled / scale);
  return scaled % scale === 0n && Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** Exactly these bytes in the shortest form that parseSize reads: "80Gi", "80G", "1536Mi". */
export function exactSize(bytes: number): string {
  const forms = Object.entries(UNIT_BYTES)
    .filter(([, unit]) => BigInt(bytes) % unit === 0n)
    .map(
      ([name, unit]) =>
        `${BigInt(bytes) / unit}${name === "b" ? "B" : name[0]?.toUpperCase()}${name.slice(1)}`,
    );
  return forms.reduce((shortest, form) => (form.length < shortest.length ? form : shortest), `${bytes}B`);
}
