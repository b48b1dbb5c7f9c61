/** A tunnel as the audit trail has it (O-03): one entry, when it is over. */
import type { Tx } from "../../store/db.ts";
import { insertAudit } from "../../store/journal.ts";
import { takeOrphanedTunnels } from "../../store/open-tunnels.ts";
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

export const TUNNEL_CLOSE = "tunnel.close";

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

/** A killed server may have had thousands: those beyond have their turn at the next pass. */
const ORPHANS_AT_ONCE = 500;

/** Makes the entries of tunnels whose server is gone without having made them: how they ended is all that is not known. */
export async function closeOrphanedTunnels(tx: Tx): Promise<void> {
  for (const tunnel of await takeOrphanedTunnels(tx, ORPHANS_AT_ONCE)) {
    const { user_id, reservation_id, remote_address, server, ...known } = tunnel;
    const text = `the server that carried it, ${server}, ended without a word`;
    await insertAudit(tx, {
      id: newId(),
      at: tx.at,
      actor: user_id,
      action: TUNNEL_CLOSE,
      subject: reservation_id,
      detail: JSON.stringify({ ...known, from: remote_address, end: "gateway_lost", text }),
    });
  }
}
