/**
 * Where what is being done was asked for: the same for all that is written while a request is served, whichever rule writes it. It
 * goes with the flow of calls, so that no entry of the audit trail can be written without it.
 */
import { AsyncLocalStorage } from "node:async_hooks";

interface Origin {
  /** The client's address. */
  readonly address: string | undefined;
  /** By which the server's log has it. */
  readonly requestId: string;
}

const origins = new AsyncLocalStorage<Origin>();

/** `work`, and all that it calls, on behalf of a request. */
export const servedFor = <T>(origin: Origin, work: () => T): T => origins.run(origin, work);

/** Undefined for what nobody asked for by a request: what the reconciler does. */
export const currentOrigin = (): Origin | undefined => origins.getStore();
