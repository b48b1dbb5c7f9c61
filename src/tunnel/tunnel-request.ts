/** Reads and checks the upgrade request that opens a tunnel. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { type FieldError, Problem } from "../api/errors.ts";
import { isId } from "../api/names.ts";
import { ATTEMPT, RECEIVED, SESSION, SUBPROTOCOL, wholeNumber } from "./opening.ts";
import { handshakeFaults } from "./websocket/handshake.ts";

/** What a client asks for when it opens a tunnel. */
export interface TunnelRequest {
  /** From the Authorization header; undefined when there is none. */
  readonly token: string | undefined;
  readonly reservation: string;
  readonly node: number;
  readonly port: number;
  readonly remoteAddress: string;
  /** Grows with every dial of the same session. */
  readonly attempt: number;
  /** The session to go on with; undefined for a new one. */
  readonly resume: Resume | undefined;
}

export interface Resume {
  readonly session: string;
  /** Bytes that the client has of the pod's stream. */
  readonly received: number;
}

const PATH = /^\/v1\/tunnel\/([^/]+)$/;
const BEARER = /^Bearer ([\x21-\x7e]+)$/i;
const SESSION_ID = /^[\w-]{1,64}\.[0-9a-f]{32}$/;
const MAX_NODE = 9999;

/** The request as the gateway understands it. Throws Problem for anything else. */
export function readRequest(request: IncomingMessage): TunnelRequest {
  checkUpgrade(request);
  const { reservation, query } = readTarget(request.url ?? "");
  const [port, node] = [count(query.get("port") ?? "22"), count(query.get("node") ?? "0")];
  const faults = [...queryFaults(query, port, node), ...headerFaults(request)];
  if (!isId(reservation)) faults.push(fault("reservation", "not an id"));
  if (faults.length > 0) throw invalid(faults);
  return {
    token: BEARER.exec(request.headers.authorization ?? "")?.[1],
    reservation,
    node,
    port,
    remoteAddress: request.socket.remoteAddress ?? "unknown",
    attempt: count(String(request.headers[ATTEMPT])),
    resume: readResume(request),
  };
}

/** -1 for what is not a whole number, so that one comparison finds it. */
const count = (text: string): number => wholeNumber(text) ?? -1;
const fault = (field: string, detail: string): FieldError => ({ field, code: "invalid", detail });

function invalid(errors: FieldError[]): Problem {
  const detail = errors.map((e) => `${e.field}: ${e.detail}`).join("; ");
  return new Problem("invalid_input", detail, { errors, hint: "the client may be older than the server" });
}

function checkUpgrade({ method, headers }: IncomingMessage): void {
  if (method !== "GET") throw new Problem("method_not_allowed", "a tunnel is opened by GET");
  const faults = handshakeFaults(headers);
  if (faults.length > 0) throw invalid(faults.map(([header, detail]) => fault(header, detail)));
}

function readTarget(url: string): { reservation: string; query: URLSearchParams } {
  const [path = "", query = ""] = url.split("?", 2);
  const reservation = PATH.exec(path)?.[1];
  if (reservation === undefined)
    throw new Problem("unknown_route", "only /v1/tunnel/{reservation} can be upgraded");
  return { reservation, query: new URLSearchParams(query) };
}

function queryFaults(query: URLSearchParams, port: number, node: number): FieldError[] {
  const faults = [...new Set(query.keys())]
    .filter((key) => (key !== "port" && key !== "node") || query.getAll(key).length > 1)
    .map((key) => fault(key, "unknown or given twice"));
  if (port < 1 || port > 65_535) faults.push(fault("port", "a number from 1 to 65535"));
  if (node < 0 || node > MAX_NODE) faults.push(fault("node", `a number from 0 to ${MAX_NODE}`));
  return faults;
}

function headerFaults({ headers }: IncomingMessage): FieldError[] {
  const faults = [];
  const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
  if (!offered.includes(SUBPROTOCOL)) faults.push(fault("sec-websocket-protocol", `must be ${SUBPROTOCOL}`));
  if (count(String(headers[ATTEMPT])) < 1) faults.push(fault(ATTEMPT, "a number from 1 on"));
  if (headers[SESSION] !== undefined) faults.push(...resumeFaults(headers));
  return faults;
}

function resumeFaults(headers: IncomingHttpHeaders): FieldError[] {
  const faults = [];
  if (!SESSION_ID.test(String(headers[SESSION]))) faults.push(fault(SESSION, "not a session"));
  if (count(String(headers[RECEIVED])) < 0) faults.push(fault(RECEIVED, "a number of bytes"));
  return faults;
}

function readResume({ headers }: IncomingMessage): Resume | undefined {
  if (headers[SESSION] === undefined) return undefined;
  return { session: String(headers[SESSION]), received: count(String(headers[RECEIVED])) };
}
