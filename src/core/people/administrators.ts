/** Administrators are a role: what only they may do begins with asking for it. */
import { Problem } from "../../api/errors.ts";
import type { Caller } from "./access.ts";

/** The token of a pod has its owner's role and none of its rights. */
export const isAdmin = ({ role, reservationId }: Caller): boolean =>
  role === "admin" && reservationId === undefined;

/** Throws Problem not_allowed with these words for anybody else. */
export function requireAdmin(caller: Caller, words: string): void {
  if (!isAdmin(caller)) throw new Problem("not_allowed", words, { hint: "use an administrator's token" });
}
