/** Amounts of money: integer micro-dollars on the wire and in the database, dollars for people. */

const MICRO = 1_000_000;
const DOLLARS = /^\$?(\d{1,9})(?:\.(\d{1,6}))?$/;

/** Micro-dollars of "2.50" or "$2.50"; undefined for another form, or for parts of a micro-dollar. */
export function parseDollars(text: string): number | undefined {
  const [, whole, fraction = ""] = DOLLARS.exec(text) ?? [];
  return whole === undefined ? undefined : Number(whole) * MICRO + Number(fraction.padEnd(6, "0"));
}

/** "$2.50" of 2500000; as many decimals as it takes, two at least. */
export function formatDollars(micro: number): string {
  const cents = String(micro % MICRO).padStart(6, "0");
  return `$${Math.floor(micro / MICRO)}.${cents.slice(0, 2)}${cents.slice(2).replace(/0+$/, "")}`;
}
