/** A provider whose people are whoever a test says, and who have entered their code at once. */
import type { DeviceProvider, Identity, Outcome } from "../../../src/core/logins/providers.ts";

export interface FakeProvider extends DeviceProvider {
  /** Whom it knows, or what it says instead. */
  says: Outcome | Error;
}

export const ISSUER = "https://sso.test";

export const known = (name: string, given: Partial<Identity> = {}): Identity => ({
  provider: ISSUER,
  subject: `sub-of-${name}`,
  name,
  role: undefined,
  ...given,
});

export function createFakeProvider(kind: DeviceProvider["kind"] = "oidc"): FakeProvider {
  let codes = 0;
  const provider: FakeProvider = {
    kind,
    issuer: ISSUER,
    title: "Test SSO",
    says: "pending",
    async begin() {
      codes += 1;
      return {
        deviceCode: `device-${codes}`,
        userCode: `USER-${codes}`,
        verificationUri: `${ISSUER}/device`,
        verificationUriComplete: null,
        intervalS: 5,
        expiresInS: 600,
      };
    },
    async poll() {
      if (provider.says instanceof Error) throw provider.says;
      return provider.says;
    },
  };
  return provider;
}
