/** What can be looked at without any server: programs, proxy, authorities, and the files that ssh reads. */
import { X509Certificate } from "node:crypto";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { proxyFor } from "../../api/proxy.ts";
import type { Context } from "../context.ts";
import { sshConfigFile } from "../ssh/ssh-files.ts";
import { isIncluded, userSshConfig } from "../ssh/ssh-include.ts";
import { type Finding, failure, ok, warning } from "./finding.ts";

const INSTALL_SSH = "On Debian and Ubuntu: apt install openssh-client";

export const checkNode = (): Finding => ok("node", `${process.versions.node} (${process.execPath})`);

/** The ssh that `connect`, scp and editors run. */
export async function checkSsh({ runProgram }: Context): Promise<Finding> {
  try {
    const { stdout, stderr } = await runProgram("ssh", ["-V"], "capture");
    const version = /OpenSSH_\S+/.exec(stdout + stderr)?.[0].replace(/[,\s]+$/, "");
    if (version !== undefined) return ok("ssh", version);
    return warning("ssh", "the program called ssh is not OpenSSH", `Others are not tried. ${INSTALL_SSH}`);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return failure("ssh", "there is no program called ssh", INSTALL_SSH);
  }
}

/** The proxy in force for `url`. */
export function checkProxy({ env }: Context, url: string): Finding {
  try {
    const proxy = proxyFor(env, url);
    if (proxy) return ok("proxy", `${proxy.host} (${proxy.origin})`);
    const set = ["HTTPS_PROXY", "HTTP_PROXY"].some((name) => env[name] || env[name.toLowerCase()]);
    return ok("proxy", set ? "none for this server: NO_PROXY, its scheme or this machine" : "none");
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return failure("proxy", error.message, "Correct the variable, or let NO_PROXY name the server.");
  }
}

/** Node says nothing that a script would see when it ignores the file. */
export async function checkAuthorities({ env, clock }: Context): Promise<Finding> {
  const file = env.NODE_EXTRA_CA_CERTS;
  if (!file) return ok("authorities", "those that come with Node");
  const fix = "It must be a PEM file of certificates; correct NODE_EXTRA_CA_CERTS or unset it.";
  try {
    const blocks = (await readFile(file, "utf8")).match(/-----BEGIN CERT.+?-----END CERT[^\n]+/gs) ?? [];
    const certificates = blocks.map((block) => new X509Certificate(block));
    if (certificates.length === 0) return failure("authorities", `${file} holds no certificate`, fix);
    // A bundle always has some that are old.
    if (certificates.every(({ validToDate }) => validToDate < clock.now()))
      return warning(
        "authorities",
        `${file}: expired on ${certificates.at(-1)?.validTo}`,
        "Ask for a new one.",
      );
    return ok("authorities", `${certificates.length} more in ${file} (NODE_EXTRA_CA_CERTS)`);
  } catch (error) {
    return failure("authorities", `${file} cannot be used: ${(error as Error).message}`, fix);
  }
}

/** Our own ssh_config, and the line that brings it into the user's. */
export async function checkSshConfig(ctx: Context): Promise<Finding> {
  const { home, homedir } = ctx;
  const own = sshConfigFile(home.stateDir);
  const file = userSshConfig(homedir);
  if (!existsSync(own))
    return warning("ssh-config", `${own} is not written yet`, "`gpu-dev ssh-config install` writes it.");
  const missing = (await proxyWords(own)).find((word) => !existsSync(word));
  if (missing !== undefined)
    return failure("ssh-config", `it names ${missing}, which is gone`, "`gpu-dev list` writes it anew.");
  if (isIncluded(ctx)) return ok("ssh-config", `included by ${file}`);
  return warning(
    "ssh-config",
    `${file} does not include it: plain ssh, scp and editors do not know your reservations`,
    "`gpu-dev ssh-config install` adds one line; `gpu-dev connect` works without.",
  );
}

/** The node and the script of the first ProxyCommand: an upgrade of Node may have moved them. */
async function proxyWords(file: string): Promise<string[]> {
  const text = await readFile(file, "utf8");
  const line = /^\s*ProxyCommand ((?:'[^']*'|"[^"]*"|\S+) (?:'[^']*'|"[^"]*"|\S+))/m.exec(text)?.[1] ?? "";
  const words = line.match(/'[^']*'|"[^"]*"|\S+/g) ?? [];
  return words.map((word) => word.replaceAll(/['"]/g, "").replaceAll("%%", "%"));
}
