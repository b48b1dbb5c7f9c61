/** The files that images are built from, by the id of their build, as the rules use them. */
export interface BuildContexts {
  /** On this machine; the driver reads it. */
  path(id: string): string;
  /** At 0 what was there is gone. */
  write(id: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Why the file cannot be the context with this SHA-256 (hex), in words; undefined when it is. */
  fault(id: string, digest: string): Promise<string | undefined>;
  remove(id: string): Promise<void>;
  /** The ids of all files that are there. */
  list(): Promise<string[]>;
}
