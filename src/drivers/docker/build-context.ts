/** What an engine is sent to build from: a user's tar file written anew, so that it is nothing else than what was read and checked here. */
import { createReadStream } from "node:fs";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, type Headers, pack } from "tar-stream";
import { LaunchRefused } from "../driver.ts";

/** Far longer than any that somebody wrote: all of it is read at once, while the server does nothing else. */
const LONGEST_DOCKERFILE = 2 ** 17;
const GONE = "the image is not built, and what it was to be built from is not here any more: reserve again";

/** The text of a file in it. Throws LaunchRefused where there is none. */
export async function readDockerfileIn(context: string, name: string): Promise<string> {
  let found: string | undefined;
  const entries = extract();
  entries.on("entry", (header: Headers, content: Readable, next: () => void) => {
    const { size = 0, type } = header;
    if (!isSame(header.name, name) || type !== "file" || size > LONGEST_DOCKERFILE) {
      content.on("end", next).resume();
      return;
    }
    text(content).then(
      (said) => {
        found = said;
        next();
      },
      (error: Error) => entries.destroy(error),
    );
  });
  await pipeline(createReadStream(context), entries).catch((cause: NodeJS.ErrnoException) => {
    throw cause.code === "ENOENT" ? new LaunchRefused(GONE, { cause }) : cause;
  });
  if (found !== undefined) return found;
  throw new LaunchRefused(
    `the image cannot be built: ${name} is no file of what was sent, or is longer than 128 KiB`,
  );
}

/** As it goes to the engine, with another text in the place of one file's. Its errors are those of reading, too. */
export function sentContext(context: string, name: string, dockerfile: string): Readable {
  const sent = pack();
  const entries = extract();
  // An engine guesses by the first bytes whether the whole is compressed: they are ours, whatever the user's first file is called.
  sent.entry({ name: "./", type: "directory", mode: 0o755, mtime: new Date(0) });
  entries.on("entry", (header: Headers, content: Readable, next: (error?: unknown) => void) => {
    if (isSame(header.name, name)) {
      content.on("end", () => sent.entry(plain(header), dockerfile, next)).resume();
      return;
    }
    const entry = sent.entry({ ...plain(header), size: header.size ?? 0 }, next);
    if (header.type === "file") content.pipe(entry);
    else content.resume();
  });
  sent.on("close", () => entries.destroy());
  pipeline(createReadStream(context), entries).then(
    () => sent.finalize(),
    (error: Error) => sent.destroy(error),
  );
  return sent;
}

const isSame = (path: string, name: string): boolean => posix.normalize(path) === posix.normalize(name);

/** Only what all readers of tar files take for the same: nothing of extended headers. */
const plain = ({ name, type, mode, mtime, linkname }: Headers) => ({
  ...{ name, type, mode, mtime, uid: 0, gid: 0 },
  ...(type === "symlink" ? { linkname } : {}),
});
