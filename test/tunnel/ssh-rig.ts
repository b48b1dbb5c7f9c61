/** The real OpenSSH client with our ssh_config, in front of a rig and an sshd of our own. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { sshConfigFile, writeSshConfig } from "../../src/tunnel/ssh-config.ts";
import { cleanEnv, DOMAIN, HOST, ID, type Rig } from "./rig.ts";
import type { Sshd } from "./sshd.ts";

/** After this, `ssh hello` finds its way. */
export async function configureSsh({ home, proxy }: Rig, sshd: Sshd): Promise<void> {
  copyFileSync(sshd.identity, join(home.stateDir, "id_ed25519"));
  await writeSshConfig(home, {
    context: "test",
    domain: DOMAIN,
    node: process.execPath,
    proxyScript: proxy,
    entries: [{ id: ID, name: "hello", host: HOST, user: sshd.user, hostKey: sshd.hostKey }],
    env: { GPU_DEV_HOME: home.stateDir },
  });
}

/** `ssh hello COMMAND` over a connection of its own. */
export function spawnSsh({ home }: Rig, command: string): ChildProcess {
  const alone = ["-o", "ControlMaster=no", "-o", "ControlPath=none"];
  const args = ["-F", sshConfigFile(home), ...alone, "hello", command];
  return spawn("ssh", args, { env: cleanEnv(), stdio: "pipe" });
}
