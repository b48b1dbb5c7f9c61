/** What differs between Windows and the others in how programs and files of the user are called. */

/** How a shell is told to run `command`, which the user wrote for the shell of that platform. */
export const shellCall = (command: string, platform: NodeJS.Platform): [program: string, args: string[]] =>
  platform === "win32" ? ["cmd.exe", ["/d", "/s", "/c", command]] : ["sh", ["-c", command]];

/** How a program is called that is a script (`code.cmd`) on Windows, where only cmd.exe finds those. Its arguments must need no quotes. */
export const scriptCall = (
  program: string,
  args: readonly string[],
  platform: NodeJS.Platform,
): [program: string, args: string[]] =>
  platform === "win32" ? ["cmd.exe", ["/d", "/c", program, ...args]] : [program, [...args]];

/** Opens a text when neither VISUAL nor EDITOR is set. */
export const usualEditor = (platform: NodeJS.Platform): string => (platform === "win32" ? "notepad" : "vi");

/** Whether a file's mode shows that others can read it; Windows keeps that elsewhere, and shows the same for all. */
export const isOpenToOthers = (mode: number, platform: NodeJS.Platform): boolean =>
  platform !== "win32" && (mode & 0o077) !== 0;
