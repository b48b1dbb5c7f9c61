/** Which pod a word means, as ssh knows it: from what ssh was told before, without asking the server (C-25), else by asking it. */
import { existsSync } from "node:fs";
import { id8 } from "../../api/names.ts";
import type { Reservation } from "../../api/reservations.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { findReservation } from "../find.ts";
import { label, sshAlias } from "../output/reservation.ts";
import { whenActive } from "../watching/ready.ts";
import { type KnownEntry, readSshContexts } from "./ssh-contexts.ts";
import { refreshSshFiles, sshConfigFile } from "./ssh-files.ts";

export interface Target {
  readonly id: string;
  /** The host that our ssh configuration knows. */
  readonly alias: string;
}

/** The pod of an active reservation, by the rules of `findReservation`. Waits for one that is being prepared; throws for the others. */
export async function reach(ctx: Context, word: string, node = 0): Promise<Target> {
  const known = knownTarget(ctx, word, node);
  if (known) return known;
  const found = await whenActive(ctx, await findReservation(ctx.api(), word));
  checkNode(found, node);
  await refreshSshFiles(ctx);
  return { id: found.id, alias: sshAlias(found, node) };
}

/** Throws UsageError for a node that the reservation does not have. */
export function checkNode(r: Reservation, node: number): void {
  const nodes = r.node_count ?? 1;
  if (node < nodes) return;
  throw new UsageError(
    `--node: ${label(r)} has no node ${node}`,
    nodes === 1 ? "It has one, number 0." : `It has nodes 0 to ${nodes - 1}.`,
  );
}

/** One that ssh was told of when it was active, and whose end has not come yet. */
function knownTarget(ctx: Context, word: string, node: number): Target | undefined {
  const { stateDir } = ctx.home;
  const { context } = ctx.endpoint();
  if (!existsSync(sshConfigFile(stateDir))) return undefined;
  const entries = readSshContexts(stateDir).find((known) => known.context === context)?.entries ?? [];
  const now = ctx.clock.now().toISOString();
  const found = entries.find(
    (entry) => (entry.rank ?? 0) === node && isMeant(entry, word) && (entry.endsAt ?? "") > now,
  );
  return found && { id: found.id, alias: `gpu-dev-${id8(found.id)}${node === 0 ? "" : `-${node}`}` };
}

/** Only what can mean nothing else: the server knows whether a shorter beginning is ambiguous. */
const isMeant = ({ id, name, own }: KnownEntry, word: string): boolean =>
  word === id || word === id8(id) || (own && word === name);
