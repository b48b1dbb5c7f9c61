/**
 * The user's credentials of AWS, where its own programs look: the environment, the profile's keys or `credential_process` in the shared
 * files, and for all else (roles, IAM Identity Center, containers, instances) the AWS CLI. They are used to sign, and go nowhere.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { EXIT } from "../../api/errors.ts";
import { absent } from "../../tunnel/own-file.ts";
import type { Context } from "../context.ts";
import { CliError } from "../errors.ts";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

type Profile = Readonly<Record<string, string>>;

/** Throws CliError `no_aws_credentials`. */
export async function findCredentials(ctx: Context): Promise<AwsCredentials> {
  const { env } = ctx;
  const own = credentialsOf(env.AWS_ACCESS_KEY_ID, env.AWS_SECRET_ACCESS_KEY, env.AWS_SESSION_TOKEN);
  if (own) return own;
  const name = env.AWS_PROFILE || "default";
  const profile = await readProfile(ctx, name);
  const kept = credentialsOf(
    profile.aws_access_key_id,
    profile.aws_secret_access_key,
    profile.aws_session_token,
  );
  if (kept) return kept;
  if (profile.credential_process !== undefined)
    return byProgram(ctx, "sh", ["-c", profile.credential_process], name);
  // In containers and on instances there is no profile at all: one that is named must be there, also "default".
  const chosen = env.AWS_PROFILE ? ["--profile", name] : [];
  return byProgram(ctx, "aws", ["configure", "export-credentials", ...chosen], name);
}

const credentialsOf = (id?: string, secret?: string, token?: string): AwsCredentials | undefined =>
  id && secret
    ? { accessKeyId: id, secretAccessKey: secret, ...(token ? { sessionToken: token } : {}) }
    : undefined;

/** What both files say of it; the credentials' file goes before the configuration's. */
async function readProfile({ env, homedir }: Context, name: string): Promise<Profile> {
  const folder = join(homedir, ".aws");
  const config = await read(env.AWS_CONFIG_FILE || join(folder, "config"));
  const credentials = await read(env.AWS_SHARED_CREDENTIALS_FILE || join(folder, "credentials"));
  return {
    ...sectionOf(config, name === "default" ? name : `profile ${name}`),
    ...sectionOf(credentials, name),
  };
}

const read = async (file: string): Promise<string> => (await readFile(file, "utf8").catch(absent)) ?? "";

/** The keys below `[section]` of an INI file. */
function sectionOf(text: string, section: string): Profile {
  const found: Record<string, string> = {};
  let inside = false;
  for (const line of text.split(/\r?\n/)) {
    const [, head] = /^\s*\[\s*(.+?)\s*\]/.exec(line) ?? [];
    if (head !== undefined) inside = head.replace(/\s+/g, " ") === section;
    const [, key, value] = /^([A-Za-z_]\w*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (inside && key !== undefined && value) found[key.toLowerCase()] = value;
  }
  return found;
}

/** Of what a program prints, in the form of AWS's `credential_process`. */
async function byProgram(
  ctx: Context,
  program: string,
  args: readonly string[],
  profile: string,
): Promise<AwsCredentials> {
  const done = await ctx.runProgram(program, args, "capture").catch((cause: unknown) => {
    throw notFound(profile, `there is no program ${program}`, cause);
  });
  if (done.code !== 0)
    throw notFound(profile, `${program} says: ${firstLine(done.stderr) ?? `exit ${done.code}`}`);
  const printed = parse(done.stdout);
  const found = credentialsOf(printed.AccessKeyId, printed.SecretAccessKey, printed.SessionToken);
  if (found) return found;
  throw notFound(profile, `${program} printed something else than credentials`);
}

/** The AWS CLI says what is the matter there; an old one goes on with all that it can do. */
const firstLine = (text: string): string | undefined => text.split("\n").find((line) => line.trim() !== "");

function parse(text: string): Profile {
  try {
    return Object(JSON.parse(text)) as Profile;
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

const notFound = (profile: string, why: string, cause?: unknown): CliError =>
  new CliError(
    "no_aws_credentials",
    EXIT.auth,
    `No credentials of AWS were found for the profile ${profile}: ${why}`,
    {
      hint: "Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `aws sso login` renews those of an organisation.",
      cause,
    },
  );
