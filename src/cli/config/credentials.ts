/** credentials.json: the servers that this user has logged in to, each under a name (its context). Mode 0600 in 0700 (C-21). */
import { type Credentials, credentialsFile, type Home, readCredentials } from "../../api/home.ts";
import { whileLocked, writeOwnFile } from "../../tunnel/own-file.ts";
import { UsageError } from "../errors.ts";

/** Names that mean something else: the server of this machine, and what GPU_DEV_URL says. */
const RESERVED = ["local", "environment"];

/** Replaces what is stored by what `change` makes of it. Throws CorruptFile. */
export async function changeCredentials(
  home: Home,
  change: (known: Credentials) => Credentials,
): Promise<void> {
  const file = credentialsFile(home);
  await whileLocked(file, () => {
    const changed = change(readCredentials(home));
    writeOwnFile(file, `${JSON.stringify(changed, null, 2)}\n`);
  });
}

/** A context's name. */
export function contextName(given: string): string {
  if (/^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$/i.test(given) && !RESERVED.includes(given)) return given;
  const why = RESERVED.includes(given) ? "means something else" : "has other characters than a-z, 0-9, . _ -";
  throw new UsageError(
    `${JSON.stringify(given)} cannot name a server: it ${why}`,
    "Such as lab or gpu.corp.example.",
  );
}
