/** Reads the configuration file: YAML, with the line and the path of each key that is wrong. */
import { readFile } from "node:fs/promises";
import { isMap, isPair, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import type * as z from "zod";
import { StartError } from "./config.ts";
import { type SettingsFile, settingsFile } from "./schema.ts";
import { shown, withoutSecrets } from "./shown.ts";

const MAX_BYTES = 1024 * 1024;
const MAX_FAULTS = 5;

type Document = ReturnType<typeof parseDocument>;
type Path = readonly PropertyKey[];

/** What the file at `path` says. Throws StartError with its lines, keys and what is wrong with them. */
export async function readSettings(path: string): Promise<SettingsFile> {
  return parseSettings(path, await readText(path));
}

/** What `text`, the contents of `path`, says. Throws StartError. */
export function parseSettings(path: string, text: string): SettingsFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => `${path}:${lines.linePos(offset).line}`;
  const broken = document.errors[0];
  if (broken)
    throw new StartError(`${at(broken.pos[0])}: this is not YAML: ${withoutSecrets(broken.message)}`);
  // A file with nothing but comments says nothing.
  const checked = settingsFile.safeParse(toPlain(path, document) ?? {});
  if (checked.success) return checked.data;
  const faults = checked.error.issues.flatMap(faultsOf);
  const words = faults
    .slice(0, MAX_FAULTS)
    .map(
      ({ path: key, message }) =>
        `${at(offsetOf(document, key))}: ${key.map((part) => shown(String(part))).join(".") || "the file"}: ${message}`,
    );
  const more = faults.length > MAX_FAULTS ? `; and ${faults.length - MAX_FAULTS} more` : "";
  throw new StartError(`${words.join("; ")}${more}`);
}

async function readText(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_BYTES) return bytes.toString("utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new StartError(`the configuration file ${path} cannot be read (${code})`, { cause });
  }
  throw new StartError(`the configuration file ${path} is larger than ${MAX_BYTES} bytes`);
}

/** Aliases may make a small file large: yaml refuses that, with words. */
function toPlain(path: string, document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new StartError(`${path}: ${withoutSecrets((cause as Error).message)}`);
  }
}

/** One fault for each key: zod puts several unknown ones together, and says what is wrong with a key's name inside. */
function faultsOf(issue: z.core.$ZodIssue): { path: Path; message: string }[] {
  if (issue.code === "unrecognized_keys")
    return issue.keys.map((key) => ({ path: [...issue.path, key], message: "there is no such key" }));
  if (issue.code === "invalid_key")
    return [{ path: issue.path, message: issue.issues[0]?.message ?? issue.message }];
  return [{ path: issue.path, message: issue.message }];
}

/** Where the key stands; of one that is missing, where it belongs. */
function offsetOf(document: Document, path: Path): number {
  let node: unknown = document.contents;
  let offset = 0;
  for (const key of path) {
    const found = child(node, key);
    if (!found) break;
    offset = found.offset;
    node = found.node;
  }
  return offset;
}

function child(node: unknown, key: PropertyKey): { offset: number; node: unknown } | undefined {
  if (isSeq(node)) {
    const item = node.items[Number(key)];
    return item ? { offset: startOf(item as Node), node: item } : undefined;
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find(
    (item) => isPair(item) && isScalar(item.key) && String(item.key.value) === String(key),
  );
  return pair ? { offset: startOf(pair.key as Node), node: pair.value } : undefined;
}

const startOf = (node: Node): number => node.range?.[0] ?? 0;
