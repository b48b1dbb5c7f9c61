/** docs/cli.md: the reference of all commands. */
import { EXIT } from "../../src/api/errors.ts";
import { catalogue } from "../../src/cli/catalogue.ts";
import type { Argument } from "../../src/cli/command.ts";
import { GLOBAL_OPTIONS } from "../../src/cli/global.ts";
import { type CommandWords, commandWords } from "./words.ts";

/** The whole page. */
export async function reference(): Promise<string> {
  const all = await commandWords();
  const groups = [...new Set(catalogue.map((entry) => entry.group))];
  return `# Commands

Generated from the commands themselves by \`npm run generate\`; do not edit.

${groups.map((group) => overview(group, all)).join("\n")}
Every command also has:

${list(GLOBAL_OPTIONS.map((option) => [option.flags, option.summary]))}
- \`-h, --help\`: Print this help

[json.md](json.md) has every field that they print with \`--json\`.

${exitCodes()}
${all.map(section).join("\n")}`;
}

function overview(group: string, all: readonly CommandWords[]): string {
  const paths = catalogue.filter((entry) => entry.group === group).map((entry) => entry.path);
  const rows = all
    .filter((c) => paths.some((path) => path === c.path))
    .map((c) => `| [\`${c.path}\`](#gpu-dev-${c.path.replaceAll(" ", "-")}) | ${c.summary} |`);
  return `| ${group.replace(":", "")} | |\n|---|---|\n${rows.join("\n")}\n`;
}

const MEANINGS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: "done; also an empty list, and Ctrl-C-and-keep while waiting",
  error: "an error that has no code of its own",
  usage: "an invalid value, whoever noticed it",
  declined: "declined, or Ctrl-C at a prompt",
  auth: "not logged in, not allowed, or no server configured",
  notFound: "not found",
  noCapacity: "no capacity (with `--no-queue`)",
  quota: "quota or budget",
  pending: "still pending: a wait ran out",
  conflict: "conflict: ended, in use, not ready",
  failed: "the reservation ended as failed while waiting",
  tryLater: "try again later: server, network, too many requests",
  interrupted: "interrupted",
};

const exitCodes = (): string =>
  `## Exit codes

| code | meaning |
|---|---|
${Object.entries(EXIT)
  .map(([name, code]) => `| ${code} | ${MEANINGS[name as keyof typeof EXIT]} |`)
  .join("\n")}

\`connect -- COMMAND\` exits with the command's code; with 255 when ssh itself failed.
`;

function section(c: CommandWords): string {
  const { arguments: args = [], options = {}, details, examples } = c.command;
  const own = Object.values(options);
  const aliases = c.names.slice(1).map((name) => `\`${name}\``);
  const usage = ["gpu-dev", c.path, ...args.map(argumentUsage), "[options]"].join(" ");
  return [
    `## gpu-dev ${c.path}`,
    `${c.summary}.${aliases.length > 0 ? ` Also: ${aliases.join(", ")}.` : ""}`,
    `\`\`\`\n${usage}\n\`\`\``,
    ...(args.length > 0 ? [list(args.map((arg) => [arg.name, arg.summary]))] : []),
    ...(own.length > 0 ? [list(own.map((option) => [option.flags, option.summary]))] : []),
    ...(details === undefined ? [] : [details]),
    `\`\`\`\n${examples.map((e) => `${e.line}\n    ${e.meaning}`).join("\n")}\n\`\`\`\n`,
  ].join("\n\n");
}

function argumentUsage(argument: Argument): string {
  const name = argument.variadic ? `${argument.name}...` : argument.name;
  return argument.required ? `<${name}>` : `[${name}]`;
}

const list = (items: readonly (readonly [string, string])[]): string =>
  items.map(([term, meaning]) => `- \`${term}\`: ${meaning}`).join("\n");
