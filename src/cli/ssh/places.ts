/** What a word of `gpu-dev cp` means: a path here, or one in a reservation. */
export interface Place {
  /** The reservation; undefined for this machine. */
  readonly host: string | undefined;
  readonly path: string;
}

/** As scp reads it: a colon before any slash ends a host. On Windows a single letter before it is a drive. */
export function readPlace(word: string, platform: NodeJS.Platform): Place {
  const [, host, path = ""] = /^([^/\\:]+):(.*)$/s.exec(word) ?? [];
  if (host === undefined || (platform === "win32" && /^[a-z]$/i.test(host)))
    return { host: undefined, path: word };
  return { host, path };
}

/** A path here as scp takes it: one that starts with a dash, or has a colon that is no drive's, would mean something else. */
export function scpPath(path: string, platform: NodeJS.Platform): string {
  const isWindows = platform === "win32";
  if (isWindows && /^[a-z]:/i.test(path)) return path;
  return /^-|^[^/]*:/.test(path) ? `.${isWindows ? "\\" : "/"}${path}` : path;
}
