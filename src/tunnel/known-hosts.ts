/** Our own known_hosts: the pods' host keys as the server told them, so that a first connection trusts nothing blindly (T-14). */
import { join } from "node:path";
import type { Home } from "../api/home.ts";
import { readOwnFile, whileLocked, writeOwnFile } from "./own-file.ts";

/** "ssh-ed25519 AAAA…": a type and a key in base64, and nothing that could start another line. */
const HOST_KEY = /^[a-z0-9@.-]{1,64} [A-Za-z0-9+/]{1,16384}={0,2}$/;

export const knownHostsFile = (home: Home): string => join(home.stateDir, "known_hosts");

/** The key that is known for a host; undefined when none is. */
export function knownHost(home: Home, host: string): string | undefined {
  const line = readLines(home).find((each) => hostOf(each) === host);
  return line?.slice(host.length + 1);
}

/** Adds or replaces the line of one host. */
export async function learnHost(home: Home, host: string, hostKey: string): Promise<void> {
  await changeHosts(home, new Map([[host, hostKey]]), (known) => known !== host);
}

/** Sets the lines of some hosts; of the others, those that `keep` says stay. */
export async function changeHosts(
  home: Home,
  hosts: ReadonlyMap<string, string>,
  keep: (host: string) => boolean,
): Promise<void> {
  const added = [...hosts].map(([host, key]) => hostLine(host, key));
  await whileLocked(knownHostsFile(home), () => {
    const kept = readLines(home).filter((line) => keep(hostOf(line)) && !hosts.has(hostOf(line)));
    writeOwnFile(knownHostsFile(home), [...kept, ...added].map((line) => `${line}\n`).join(""));
  });
}

function hostLine(host: string, key: string): string {
  if (!HOST_KEY.test(key)) throw new Error(`the host key that the server gave for ${host} is not one`);
  return `${host} ${key}`;
}

const readLines = (home: Home): string[] =>
  (readOwnFile(knownHostsFile(home)) ?? "").split("\n").filter((line) => line !== "");

const hostOf = (line: string): string => line.split(" ", 1)[0] ?? "";
