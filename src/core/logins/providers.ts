/** What the rules ask of those who know people: of a provider that shows a code, and of AWS, to which the client signs a request. */
import { Problem } from "../../api/errors.ts";
import type { SignedIdentity } from "../../api/logins.ts";

/** Somebody, as a provider knows them. */
export interface Known {
  /** Who says so: the issuer, GitHub's address, "aws". */
  readonly provider: string;
  /** By which the provider knows them, for ever. */
  readonly subject: string;
  /** What they are called when they are new. */
  readonly name: string;
}

/** One who may come in. */
export interface Identity extends Known {
  /** Undefined where it is not the provider's to say. */
  readonly role: "user" | "admin" | undefined;
  /** True for one that several people are by their provider's rules. */
  readonly shared?: boolean;
}

/** A login that is refused to somebody whom the provider knows: the audit trail has who that is. */
export class LoginRefused extends Problem {
  readonly claimed: Known;

  constructor(claimed: Known, code: "not_allowed" | "name_taken" | "conflict", detail: string, hint: string) {
    super(code, detail, { hint });
    this.claimed = claimed;
  }
}

/** RFC 8628, 3.2. */
export interface DeviceCode {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly verificationUri: string;
  readonly verificationUriComplete: string | null;
  readonly intervalS: number;
  readonly expiresInS: number;
}

/** "slow_down": the provider wants to be asked less often. */
export type Outcome = Identity | "pending" | "slow_down";

export interface DeviceProvider {
  readonly kind: "oidc" | "github";
  /** The `provider` of those whom it knows. */
  readonly issuer: string;
  /** For people. */
  readonly title: string;
  /** Throws Problem unavailable. */
  begin(): Promise<DeviceCode>;
  /** Throws Problem login_over, not_allowed for who may not come in, and unavailable. */
  poll(deviceCode: string): Promise<Outcome>;
}

export interface SignedProvider {
  readonly kind: "aws";
  readonly issuer: string;
  readonly title: string;
  readonly stsUrl: string;
  readonly region: string;
  /** What this server is called in what is signed. */
  readonly serverUrl: string;
  /** Who signed for this server and this login. Throws Problem not_allowed and unavailable. */
  verify(signed: SignedIdentity, login: string, now: Date): Promise<Identity>;
}

export type Provider = DeviceProvider | SignedProvider;

export interface Logins {
  readonly providers: readonly Provider[];
  /** Seconds that the token of a login is good. */
  readonly tokenTtlS: number;
}
