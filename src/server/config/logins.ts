/** The keys of the configuration file below `logins`: who may log in without being given a token first. */
import * as z from "zod";
import { isThisMachine } from "../../api/proxy.ts";

const secure = z.url({ protocol: /^https?$/ }).refine((text) => {
  const url = new URL(text);
  return url.protocol === "https:" || isThisMachine(url.hostname);
}, "must be https: who can change what it answers can be anybody here");
const https = secure.transform((text) => text.replace(/\/+$/, ""));
const word = z.string().min(1).max(200);
const words = z.array(word).min(1).max(1000);
const lowerWords = z.array(word.toLowerCase()).min(1).max(1000);

const client = {
  client_id: word.describe("As the provider has registered this server"),
  client_secret_file: z
    .string()
    .min(1)
    .optional()
    .describe(
      "File with the secret of that registration, if it has one; or the variable that logins.md names",
    ),
};

const oidcPeople = z.strictObject({
  groups: words.optional().describe("Values of `groups_claim`"),
  emails: lowerWords.optional().describe("Addresses that the provider says are verified"),
  domains: lowerWords.optional().describe("Domains of such addresses: `[example.com]`"),
});
const oidc = z.strictObject({
  title: word.default("your organisation's login").describe("What people know it by"),
  // Compared to the letter, and some end in a slash.
  issuer: secure.describe(
    "The provider's address, as it writes its `issuer` itself; it must speak OpenID Connect with the device flow",
  ),
  ...client,
  scopes: words.default(["openid", "profile", "email"]).describe("What is asked for"),
  name_claim: word
    .default("preferred_username")
    .describe("What becomes the name of a new user, in lower case"),
  groups_claim: word.default("groups").describe("Where the provider puts a person's groups"),
  allow: z
    .union([z.literal("everyone"), oidcPeople])
    .describe("Who may come in: `everyone` whom the provider knows, or who is in one of these"),
  admins: oidcPeople
    .optional()
    .describe(
      "Who is an administrator, looked at in each login; without it, administrators make others ones",
    ),
});

const githubPeople = z.strictObject({
  users: lowerWords.optional().describe("Accounts"),
  groups: lowerWords.optional().describe("Organisations, and teams as `organisation/team`"),
});
const github = z.strictObject({
  title: word.default("GitHub").describe("What people know it by"),
  url: https.default("https://github.com").describe("Of an enterprise server, its own"),
  api_url: https.default("https://api.github.com").describe("Of an enterprise server, `<url>/api/v3`"),
  ...client,
  allow: githubPeople.describe("Who may come in"),
  admins: githubPeople.optional().describe("Who is an administrator, looked at in each login"),
});

/** An account must be written out: whoever has an account of their own can call a role in it as they like. */
const rolePattern = z
  .string()
  .regex(
    /^arn:aws(?:-[a-z-]+)?:iam::\d{12}:(?:role|user)\/[\w+=,.@*-]{1,128}$/,
    "is arn:aws:iam::ACCOUNT:role/NAME with the twelve digits of the account and without the role's path; * stands for any letters of the name",
  );
const aws = z.strictObject({
  title: word.default("AWS").describe("What people know it by"),
  server_url: https.describe("The address by which people reach this server; it is in what they sign"),
  region: z
    .string()
    .regex(/^[a-z]{2}(?:-[a-z]+)+-\d$/)
    .default("us-east-1")
    .describe("Of the token service"),
  sts_url: https
    .refine((text) => new URL(text).pathname === "/", "has no path")
    .optional()
    .describe("Default: that of the region"),
  allow: z.array(rolePattern).min(1).describe("Roles (and users of IAM) that may come in"),
  admins: z.array(rolePattern).min(1).optional().describe("Those that are administrators"),
  name_from: z
    .enum(["role", "session"])
    .default("role")
    .describe(
      "`role`: all who have a role are one user of its name. `session`: each name of a session is a user; only where people cannot choose it",
    ),
});

export const loginSettings = z
  .strictObject({
    oidc: oidc.describe("A provider of OpenID Connect"),
    github: github.describe("GitHub, or an enterprise server of it"),
    aws: aws.describe("Identities of AWS, proved by a signed request"),
  })
  .partial();
export type LoginSettings = z.output<typeof loginSettings>;
export type OidcSettings = z.output<typeof oidc>;
export type GithubSettings = z.output<typeof github>;
export type AwsSettings = z.output<typeof aws>;
