/** Real ssh on a machine that moves to another network: two network namespaces, and an address that changes (needs root). */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { sshConfigFile } from "../../src/tunnel/ssh-config.ts";
import { cleanEnv, giveSshConfig, outcome, pointTo } from "./rig.ts";
import { atEnd, given } from "./scene.ts";
import { startSshd } from "./sshd.ts";
import { canMakeNamespaces, goodCable, move, onClient, serverUrl, serveThere } from "./two-places.ts";

test.skipIf(!canMakeNamespaces())(
  "T-11 real ssh goes on at once when the local address changes, long before a ping would tell",
  async () => {
    const sshd = await startSshd();
    atEnd(() => sshd.stop());
    const { rig } = await given(undefined, { dial: () => sshd.dial() });
    goodCable();
    await serveThere(rig, rig.port);
    pointTo(rig.home, serverUrl);
    await giveSshConfig(rig, sshd);
    const trace = join(rig.home.stateDir, "trace");
    const words = ["ssh", "-F", sshConfigFile(rig.home), "-o", "ControlPath=none", "hello", "cat"];
    const ssh = spawn("nsenter", onClient(...words), {
      env: { ...cleanEnv(), GPU_DEV_SSH_DEBUG: trace },
    });
    atEnd(() => ssh.kill("SIGKILL"));
    const ended = outcome(ssh);
    const typed = async (line: string): Promise<void> => {
      ssh.stdin.write(line);
      expect(String((await once(ssh.stdout, "data"))[0])).toBe(line);
    };
    await typed("before\n");
    move(2);
    await typed("after\n");
    ssh.stdin.end();
    expect(await ended).toMatchObject({ code: 0, stderr: "" });
    const events = readFileSync(trace, "utf8");
    expect(events).toContain('redial why="this computer moved to another network"');
    expect(events).toMatch(/ connected from=10\.77\.0\.1 .* connected from=10\.77\.0\.2 /s);
    expect(events).not.toContain("nothing was heard");
    expect(rig.logs.filter((line) => line.includes("tunnel resumed"))).toHaveLength(1);
  },
);
