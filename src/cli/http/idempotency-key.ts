/** Names for requests that are to be done once, however often they are sent. */

/** A new one. It is no secret and has only to be new: node:crypto would take a tenth of a command's start to load. */
export const idempotencyKey = (): string => `${Date.now().toString(36)}-${letters()}${letters()}`;

const letters = (): string => Math.random().toString(36).slice(2);
