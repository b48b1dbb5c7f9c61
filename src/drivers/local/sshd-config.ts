/** The configuration of a pod's sshd; see sshd_config(5). */
import type { OpenSsh } from "./openssh.ts";

export interface SshdSettings {
  readonly openSsh: OpenSsh;
  /** The control directory as sshd sees it. */
  readonly control: string;
  readonly user: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Whether the keys force a command: then the built-in sftp server is not available, and the program is taken. */
  readonly forced: boolean;
  /** Lines that come first, so that they count: above all where it listens. */
  readonly first: readonly string[];
}

/** The text of sshd_config. */
export function sshdConfig(settings: SshdSettings): string {
  const { openSsh, control, user } = settings;
  const file = (name: string) => word(`${control}/${name}`);
  return [
    ...settings.first,
    `HostKey ${file("host_key")}`,
    // Here, unlike elsewhere, % begins a token.
    `AuthorizedKeysFile ${file("authorized_keys").replaceAll("%", "%%")}`,
    `PidFile ${file("sshd.pid")}`,
    `AllowUsers ${word(user)}`,
    // Both files are ours, wherever the data directory is; a check of the path would refuse any below /tmp.
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    `PermitRootLogin ${user === "root" ? "prohibit-password" : "no"}`,
    "PermitUserEnvironment no",
    "X11Forwarding no",
    "AllowAgentForwarding yes",
    "AllowTcpForwarding yes",
    "AcceptEnv LANG LC_*",
    "PrintMotd no",
    "PrintLastLog no",
    "UseDNS no",
    "MaxStartups 200",
    "MaxSessions 200",
    ...(openSsh.knowsPenalties ? ["PerSourcePenalties no"] : []),
    ...sftp(settings),
    // Only the first SetEnv line counts, so that all variables stand on it.
    `SetEnv ${Object.entries(settings.environment)
      .map(([name, value]) => word(`${name}=${value}`))
      .join(" ")}`,
    "",
  ].join("\n");
}

function sftp({ openSsh, forced }: SshdSettings): string[] {
  const server = forced ? openSsh.sftpServer : "internal-sftp";
  return server === undefined ? [] : [`Subsystem sftp ${server}`];
}

/** One quoted word, as OpenSSH's argv_split() reads it. */
export const word = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;

/** The text of authorized_keys. Each key that is not restricted already has its sessions go through the script `session`, if any. */
export function keysText(keys: readonly string[], session: string | undefined): string {
  const command = session && `'${session.replaceAll("'", `'\\''`)}'`.replaceAll('"', '\\"');
  const options = command === undefined ? "" : `command="${command}" `;
  return keys.map((key) => `${key.startsWith("restrict,") ? "" : options}${key}\n`).join("");
}
