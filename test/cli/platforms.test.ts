/** What differs on Windows, tried on any platform. */
import { expect, test } from "vitest";
import { isOpenToOthers, scriptCall, shellCall, usualEditor } from "../../src/cli/platforms.ts";
import { scpPath } from "../../src/cli/ssh/places.ts";
import { includeLine } from "../../src/cli/ssh/ssh-include.ts";

test.each([
  ["C:\\Users\\ada", "C:\\Users\\ada\\.gpu-dev\\ssh_config", "win32", "Include ~/.gpu-dev/ssh_config"],
  ["C:\\Users\\ada", "D:\\gpu dev\\ssh_config", "win32", 'Include "D:/gpu dev/ssh_config"'],
  ["C:\\Users\\ada", "C:\\gd\\ssh_config", "win32", "Include C:/gd/ssh_config"],
  ["/home/ada", "/home/ada/.gpu-dev/ssh_config", "linux", "Include ~/.gpu-dev/ssh_config"],
  ["/home/ada", "/srv/gpu dev/ssh_config", "darwin", 'Include "/srv/gpu dev/ssh_config"'],
] as const)("C-22 the Include line of %s, %s on %s", (home, file, platform, line) => {
  expect(includeLine(home, file, platform)).toBe(line);
});

test.each([
  ["-r", "linux", "./-r"],
  ["a:b", "linux", "./a:b"],
  ["dir/a:b", "linux", "dir/a:b"],
  ["-r", "win32", ".\\-r"],
  ["C:\\data", "win32", "C:\\data"],
  ["c:data", "win32", "c:data"],
  ["plain", "win32", "plain"],
] as const)("X-03 %s is a file for scp on %s", (path, platform, expected) => {
  expect(scpPath(path, platform)).toBe(expected);
});

test("a command of the user's goes to the shell of the platform, and scripts are found", () => {
  expect(shellCall('say "hi there"', "linux")).toEqual(["sh", ["-c", 'say "hi there"']]);
  expect(shellCall('say "hi"', "win32")).toEqual(["cmd.exe", ["/d", "/s", "/c", 'say "hi"']]);
  expect(scriptCall("code", ["--folder-uri", "x"], "darwin")).toEqual(["code", ["--folder-uri", "x"]]);
  expect(scriptCall("code", ["--folder-uri", "x"], "win32")).toEqual([
    "cmd.exe",
    ["/d", "/c", "code", "--folder-uri", "x"],
  ]);
  expect([usualEditor("linux"), usualEditor("win32")]).toEqual(["vi", "notepad"]);
});

test("C-21 modes say who can read a key, but not on Windows", () => {
  expect(isOpenToOthers(0o100644, "linux")).toBe(true);
  expect(isOpenToOthers(0o100600, "linux")).toBe(false);
  expect(isOpenToOthers(0o100666, "win32")).toBe(false);
});
