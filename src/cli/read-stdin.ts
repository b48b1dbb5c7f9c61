/** What is piped into a command. */
import { UsageError } from "./errors.ts";

const MAX_BYTES = 64 * 1024;

/** All of stdin as text. Throws UsageError for more than 64 KiB. */
export async function readStdin(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) throw new UsageError("More than 64 KiB came on stdin");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
