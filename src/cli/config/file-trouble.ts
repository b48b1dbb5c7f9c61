/** What the operating system says of a file that cannot be used, in words. */

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EDQUOT: "your quota of disk space is used up",
  EISDIR: "it is a directory",
  EMFILE: "too many files are open",
  ENOSPC: "there is no space left on the disk",
  ENOTDIR: "a part of the path is no directory",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
};

/** Node makes all of a path's directories in one call, and says so where the file system lets it make none of them. */
const NONE_MADE = "it cannot be made; the file system is read-only, or a part of the path is gone";

const NO_FILES = /^(spawn|connect|listen|bind|getaddrinfo|kill)/;

/** The words for an error of a file, and what to do; undefined for any other. */
export function fileTrouble(error: unknown): { message: string; hint: string } | undefined {
  if (!(error instanceof Error) || !("syscall" in error)) return undefined;
  const { code = "", syscall = "", path } = error as NodeJS.ErrnoException;
  const why = code === "ENOENT" && syscall === "mkdir" ? NONE_MADE : WORDS[code];
  if (why === undefined || NO_FILES.test(syscall)) return undefined;
  return {
    message: `${path ?? "A file"} cannot be used: ${why}`,
    hint: "Mend that, or let GPU_DEV_HOME name a directory for all files of gpu-dev.",
  };
}
