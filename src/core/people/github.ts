/** The ssh keys that an account of GitHub publishes, each parsed like any other. */
import { Problem } from "../../api/errors.ts";
import type { Core } from "../core.ts";
import { parsePublicKey } from "./public-key.ts";

const MAX_KEYS = 50;
/** So many refusals are named; the history has a line for them, not a page. */
const MAX_NAMED = 3;

interface GithubKeys {
  /** "type base64", each once. */
  readonly lines: readonly string[];
  /** "line 2: the rsa key has 1024 bits; 2048 are the least". */
  readonly refused: readonly string[];
}

/** Throws Problem invalid_input for an account that is not there or has no key that is accepted, unavailable when GitHub does not answer. */
export async function fetchGithubKeys(core: Core, name: string): Promise<GithubKeys> {
  if (!core.githubKeys)
    throw refusal(name, "this server does not ask GitHub; only its own users can be added");
  const text = await core.githubKeys(name);
  if (text === undefined) throw refusal(name, "there is no user here and no account at GitHub of this name");
  const lines = new Set<string>();
  const refused: string[] = [];
  for (const [i, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const fault = accept(line, lines);
    if (fault !== undefined) refused.push(`line ${i + 1}: ${fault}`);
  }
  const named = refused.length > MAX_NAMED ? [...refused.slice(0, MAX_NAMED), "others"] : refused;
  if (lines.size > 0) return { lines: [...lines], refused: named };
  const why =
    named.length === 0 ? "the account has published no ssh key" : `no key is accepted: ${named.join("; ")}`;
  throw refusal(name, why);
}

/** Takes the key of a line, or says what is wrong with it. */
function accept(line: string, lines: Set<string>): string | undefined {
  if (lines.size >= MAX_KEYS) return `more than ${MAX_KEYS} keys`;
  try {
    lines.add(parsePublicKey(line).line);
    return undefined;
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.errors?.[0]?.detail ?? error.message;
  }
}

function refusal(name: string, detail: string): Problem {
  const field = "add_users";
  return new Problem("invalid_input", `${field}: github:${name}: ${detail}`, {
    errors: [{ field, code: "invalid", detail: `github:${name}: ${detail}` }],
  });
}
