/** In words: what was made with a token or came of a linked login, and what becomes of it. */
import type { MadeWith } from "../../api/made.ts";

/** "2 tokens and a linked login, and 20 tokens of 20 other users"; undefined for nothing. */
export function madeWords({ own, others }: MadeWith): string | undefined {
  const whose = others.users === 1 ? "another user" : `${others.users} other users`;
  const foreign = things(others);
  return listed([things(own), foreign && `${foreign} of ${whose}`], ", and ");
}

/** "laptop is", or what went with it as well. */
export function goneWords(what: string, gone: MadeWith): string {
  const also = madeWords(gone);
  return also === undefined ? `${what} is` : `${what}, and ${also} made with it, are`;
}

/** What was left, if anything was, and the command that ends it, too. */
export function leftWords(left: MadeWith, command: string): string | undefined {
  const words = madeWords(left);
  if (words === undefined) return undefined;
  const more = left.others.users > 0 ? ` --with-others` : "";
  return `Still good: ${words}, made with it. Did somebody else have it? Then: ${command}${more}`;
}

const things = ({ tokens, logins }: MadeWith["own"]): string | undefined =>
  listed([counted(tokens, "token"), counted(logins, "linked login")], " and ");

const counted = (n: number, noun: string): string | undefined =>
  n === 0 ? undefined : n === 1 ? `a ${noun}` : `${n} ${noun}s`;

function listed(words: readonly (string | undefined)[], joint: string): string | undefined {
  const some = words.filter((word) => word !== undefined);
  return some.length === 0 ? undefined : some.join(joint);
}
