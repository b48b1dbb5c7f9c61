/** config.json: what `reserve` takes when a flag is not given. Kept by conf, which is loaded only when the file is there or written. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { CorruptFile, type Home } from "../../api/home.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { duration } from "../options.ts";

/** The settings, with the environment variable that overrides each. */
export const SETTINGS = {
  gpu_type: "GPU_DEV_GPU_TYPE",
  time: "GPU_DEV_TIME",
} as const;
export type SettingName = keyof typeof SETTINGS;
export const SETTING_NAMES = Object.keys(SETTINGS) as SettingName[];

export interface Setting {
  readonly value: string;
  /** The environment variable or the file that it comes from. */
  readonly origin: string;
}

type Stored = Partial<Record<SettingName, string>>;

export const configFile = (home: Home): string => join(home.configDir, "config.json");

/** A setting from the environment, else from config.json. Throws UsageError for a file that is not valid. */
export async function setting(ctx: Context, name: SettingName): Promise<Setting | undefined> {
  return (await sourcesOf(ctx, name))[0];
}

/** Wherever a setting is set; the first one counts. Throws UsageError for a file that is not valid. */
export async function sourcesOf(ctx: Context, name: SettingName): Promise<Setting[]> {
  const variable = SETTINGS[name];
  const file = configFile(ctx.home);
  const fromEnvironment = ctx.env[variable];
  const stored = existsSync(file) ? (await open(ctx.home)).store[name] : undefined;
  return [
    ...(fromEnvironment ? [{ value: fromEnvironment, origin: variable }] : []),
    ...(stored === undefined ? [] : [{ value: stored, origin: file }]),
  ];
}

/** Sets a setting in config.json, or takes it out. Throws UsageError for a value that it cannot have. */
export async function changeSetting(
  ctx: Context,
  name: SettingName,
  value: string | undefined,
): Promise<void> {
  if (value === "")
    throw new UsageError(`${name} needs a value`, `\`gpu-dev config unset ${name}\` takes it out.`);
  if (value !== undefined && name === "time") duration(value);
  mkdirSync(ctx.home.configDir, { recursive: true, mode: 0o700 });
  const conf = await open(ctx.home);
  try {
    if (value === undefined) conf.delete(name);
    else conf.set(name, value);
  } catch (error) {
    throw Object.assign(error as Error, { path: configFile(ctx.home) });
  }
}

/** The name of a setting. Throws UsageError for another word. */
export function settingName(word: string): SettingName {
  const known = SETTING_NAMES.find((name) => name === word);
  if (known) return known;
  throw new UsageError(
    `There is no setting ${JSON.stringify(word)}`,
    `There are: ${SETTING_NAMES.join(", ")}.`,
  );
}

async function open(home: Home) {
  const { default: Conf } = await import("conf");
  const file = configFile(home);
  try {
    return new Conf<Stored>({
      cwd: home.configDir,
      configName: "config",
      configFileMode: 0o600,
      schema: { gpu_type: { type: "string", minLength: 1 }, time: { type: "string", minLength: 1 } },
      rootSchema: { additionalProperties: false },
      clearInvalidConfig: false,
    });
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new CorruptFile(file, cause);
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${file} is not valid: ${why}`, `It may have: ${SETTING_NAMES.join(", ")}.`, cause);
  }
}
