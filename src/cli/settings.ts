/** config.json: what `reserve` takes when a flag is not given. Kept by conf, which is loaded only when the file is there. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Context } from "./context.ts";
import { UsageError } from "./errors.ts";

/** The settings, with the environment variable that overrides each. */
export const SETTINGS = {
  gpu_type: "GPU_DEV_GPU_TYPE",
  time: "GPU_DEV_TIME",
} as const;
export type SettingName = keyof typeof SETTINGS;

export interface Setting {
  readonly value: string;
  /** The environment variable or the file that it comes from. */
  readonly origin: string;
}

/** A setting from the environment, else from config.json. Throws UsageError for a file that is not valid. */
export async function setting(ctx: Context, name: SettingName): Promise<Setting | undefined> {
  const fromEnvironment = ctx.env[SETTINGS[name]];
  if (fromEnvironment) return { value: fromEnvironment, origin: SETTINGS[name] };
  const file = join(ctx.home.configDir, "config.json");
  if (!existsSync(file)) return undefined;
  const value = (await readFile(ctx.home.configDir, file))[name];
  return value === undefined ? undefined : { value, origin: file };
}

async function readFile(configDir: string, file: string): Promise<Partial<Record<SettingName, string>>> {
  const { default: Conf } = await import("conf");
  try {
    const conf = new Conf<Partial<Record<SettingName, string>>>({
      cwd: configDir,
      configName: "config",
      schema: { gpu_type: { type: "string", minLength: 1 }, time: { type: "string", minLength: 1 } },
      rootSchema: { additionalProperties: false },
      clearInvalidConfig: false,
    });
    return conf.store;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(
      `${file} is not valid: ${why}`,
      `It may have: ${Object.keys(SETTINGS).join(", ")}.`,
      cause,
    );
  }
}
