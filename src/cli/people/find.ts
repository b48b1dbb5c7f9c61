/** Which user or token a word means. */
import type { Token, User } from "../../api/accounts.ts";
import type { Client } from "../../api/client.ts";
import { EXIT, Problem } from "../../api/errors.ts";
import { nearest } from "../../api/nearest.ts";
import { CliError } from "../errors.ts";
import { allPages } from "../http/all-pages.ts";

/** The user of this name, or with this id. Throws Problem not_found with the name that may be meant. */
export async function findUser(api: Client, word: string): Promise<User> {
  const { items } = word.length > 100 ? { items: [] } : await api.listUsers({ query: { name: word } });
  if (items[0]) return items[0];
  const { items: all } = await allPages((query) => api.listUsers({ query }));
  const found = all.find(({ id }) => id === word);
  if (found) return found;
  const meant = nearest(
    word,
    all.map(({ name }) => name),
  );
  throw new Problem("not_found", `There is no user ${JSON.stringify(word)}`, {
    hint: `${meant === undefined ? "" : `Did you mean ${meant}? `}\`gpu-dev admin users\` lists them.`,
  });
}

/** The same among those that `list` gives: one that is good for nothing any more only where no live one is meant. */
export async function findAnyToken(
  list: (state: "live" | "all") => Promise<{ readonly items: readonly Token[] }>,
  word: string,
): Promise<Token> {
  const { items: live } = await list("live");
  return findToken(live.some((token) => isCalled(token, word)) ? live : (await list("all")).items, word);
}

const isCalled = ({ id, prefix, label }: Token, word: string): boolean => [id, prefix, label].includes(word);

/** The token with this id, beginning or label among `tokens`. Throws Problem not_found, and CliError `ambiguous`. */
export function findToken(tokens: readonly Token[], word: string): Token {
  const meant = tokens.filter((token) => isCalled(token, word));
  const [token, ...others] = meant;
  if (!token)
    throw new Problem("not_found", `There is no live token ${JSON.stringify(word)}`, {
      hint: "`gpu-dev token list` shows yours, `gpu-dev admin tokens list USER` those of others.",
    });
  if (others.length === 0) return token;
  const lines = meant.map(({ id, prefix, label }) => `  ${id}  ${prefix}  ${label}`);
  throw new CliError(
    "ambiguous",
    EXIT.usage,
    `${JSON.stringify(word)} means several tokens:\n${lines.join("\n")}`,
    { hint: "Give its id.", extra: { candidates: meant.map(({ id }) => id) } },
  );
}
