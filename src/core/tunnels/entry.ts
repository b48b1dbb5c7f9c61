/** A tunnel as the audit trail has it (O-03): one entry, when it is over. */

import { insertAudit } from "../../store/audit.ts";
import type { Tx } from "../../store/db.ts";
import { deleteOpenTunnels, takeOrphanedTunnels, tunnelsOf } from "../../store/open-tunnels.ts";
import type { OpenTunnelRow } from "../../store/tables.ts";
import { OK } from "../audit/record.ts";
import { newId } from "../ids.ts";

/** A tunnel that is open. */
export interface OpenTunnel {
  readonly session: string;
  readonly userId: string;
  readonly reservationId: string;
  readonly node: number;
  readonly port: number;
  readonly remoteAddress: string;
  /** Milliseconds by the clock that is given to the audit. */
  readonly openedAt: number;
}

/** One that is over. */
export interface TunnelEntry extends OpenTunnel {
  readonly endedAt: number;
  /** Bytes from the client, and to it. */
  readonly up: number;
  readonly down: number;
  readonly resumes: number;
  readonly end: string;
  readonly text: string;
}

const TUNNEL_CLOSE = "tunnel.close";

/** As it stands in the trail; without `instant`, for the log, only how long it was open. */
export function detailOf(entry: TunnelEntry, instant?: (ms: number) => string): Record<string, unknown> {
  const { openedAt, endedAt } = entry;
  return {
    session: entry.session,
    node: entry.node,
    port: entry.port,
    from: entry.remoteAddress,
    ...(instant ? { opened_at: instant(openedAt), closed_at: instant(endedAt) } : {}),
    open_s: Math.round((endedAt - openedAt) / 1000),
    bytes_up: entry.up,
    bytes_down: entry.down,
    resumes: entry.resumes,
    end: entry.end,
    text: entry.text.slice(0, 200),
  };
}

/** An entry of a tunnel's end, but for when and how. */
export const closing = (userId: string, reservationId: string, address: string) => ({
  actor: userId,
  action: TUNNEL_CLOSE,
  subject: reservationId,
  outcome: OK,
  from_address: address,
  request_id: null,
});

/** A server may have had thousands: those beyond have their turn at the next pass. */
const AT_ONCE = 500;

/** Makes the entries of tunnels whose server is gone without having made them: how they ended is all that is not known. */
export async function closeOrphanedTunnels(tx: Tx): Promise<void> {
  for (const tunnel of await takeOrphanedTunnels(tx, AT_ONCE))
    await insertEntry(
      tx,
      tunnel,
      "gateway_lost",
      `the server that carried it, ${tunnel.server}, ended without a word`,
    );
}

/** The same for those of a server that are over (not `known`) and have no entry, because the database was away too long; true when none is left. */
export async function closeLostTunnels(
  tx: Tx,
  server: string,
  known: (session: string) => boolean,
): Promise<boolean> {
  const lost = (await tunnelsOf(tx.db, server)).filter(({ session }) => !known(session));
  const some = lost.slice(0, AT_ONCE);
  await deleteOpenTunnels(
    tx,
    some.map(({ session }) => session),
  );
  for (const tunnel of some)
    await insertEntry(
      tx,
      tunnel,
      "not_recorded",
      `the database was away when it ended; the log of ${server} tells how`,
    );
  return some.length === lost.length;
}

async function insertEntry(tx: Tx, tunnel: OpenTunnelRow, end: string, text: string): Promise<void> {
  const { user_id, reservation_id, remote_address, server: _, ...known } = tunnel;
  await insertAudit(tx, {
    id: newId(),
    at: tx.at,
    ...closing(user_id, reservation_id, remote_address),
    detail: JSON.stringify({ ...known, from: remote_address, end, text }),
  });
}
