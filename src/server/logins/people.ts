/** Which of those whom a provider knows may come in, and as what. */
import { type Known, LoginRefused } from "../../core/logins/providers.ts";

interface People {
  readonly users?: readonly string[] | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly emails?: readonly string[] | undefined;
  readonly domains?: readonly string[] | undefined;
}

/** What a provider vouches for. */
export interface Person {
  readonly known: Known;
  /** As they are told that they are known. */
  readonly shown: string;
  readonly user?: string;
  readonly groups: readonly string[];
  /** In lower case; undefined for one that is not verified. */
  readonly email?: string | undefined;
}

export interface Rules {
  readonly title: string;
  readonly allow: "everyone" | People;
  readonly admins?: People | undefined;
}

/** Undefined where the rules do not say who is an administrator. Throws Problem not_allowed for who may not come in. */
export function roleOf({ title, allow, admins }: Rules, person: Person): "user" | "admin" | undefined {
  const isAdmin = admins !== undefined && isAmong(admins, person);
  if (!isAdmin && allow !== "everyone" && !isAmong(allow, person))
    throw notAmongThem(title, person.known, person.shown);
  if (admins === undefined) return undefined;
  return isAdmin ? "admin" : "user";
}

export const notAmongThem = (title: string, known: Known, who: string): LoginRefused =>
  new LoginRefused(
    known,
    "not_allowed",
    `${title} knows you as ${who}, who may not log in here`,
    "ask who runs the server: `logins` of its configuration says who may",
  );

function isAmong({ users, groups, emails, domains }: People, person: Person): boolean {
  const domain = person.email?.slice(person.email.lastIndexOf("@") + 1);
  const has = (list: readonly string[] | undefined, value: string | undefined): boolean =>
    value !== undefined && (list?.includes(value) ?? false);
  return (
    has(users, person.user) ||
    has(emails, person.email) ||
    has(domains, domain) ||
    person.groups.some((group) => has(groups, group))
  );
}
