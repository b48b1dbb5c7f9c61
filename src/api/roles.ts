/**
 * What one server process does: *api* answers HTTP, *worker* brings reservations forward, *gateway* carries tunnels. A small
 * deployment has all of them in one process; apart, each can be restarted without the others.
 */
export const ROLES = ["api", "worker", "gateway"] as const;
export type Role = (typeof ROLES)[number];
