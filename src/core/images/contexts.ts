/** The files that images are built from, by the id of their build, as the rules use them. */
export interface BuildContexts {
  /** On this machine; the driver reads it. Of one that is whole. */
  path(id: string): string;
  /** Nothing that is there beside goes. False when what came before this is not there any more. */
  write(id: string, offset: number, bytes: Uint8Array): Promise<boolean>;
  /** Why what was written cannot be the context with this SHA-256 (hex), in words; undefined when it is, and nothing that is written later changes it. */
  accept(id: string, digest: string): Promise<string | undefined>;
  remove(id: string): Promise<void>;
  /** The ids of all files that are there. */
  list(): Promise<string[]>;
}
