/** Answers of a provider that must not be believed: openid-client looks at all of them, and here it is seen that it does. */
import { createSign, generateKeyPairSync, type KeyObject } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { createOidc } from "../../../src/server/logins/oidc.ts";
import { Service } from "../../../src/server/outside/service.ts";
import { settingsOf } from "./login-client.ts";

const own = generateKeyPairSync("rsa", { modulusLength: 2048 });
const others = generateKeyPairSync("rsa", { modulusLength: 2048 });

interface Told {
  readonly claims?: object;
  readonly key?: KeyObject;
  readonly alg?: string;
  /** Of the page about the user. */
  readonly userinfo?: object;
  /** Of its issuer. */
  readonly path?: string;
}

/** A provider that signs what the test wants; the way to log in at it. */
async function openWith({ claims = {}, key = own.privateKey, alg = "RS256", userinfo, path = "" }: Told) {
  const base = path.replace(/\/$/, "");
  const http = createServer((request, response) => {
    response.setHeader("content-type", "application/json");
    const page = request.url?.slice(base.length) ?? "";
    response.end(JSON.stringify(pages(`http://${request.headers.host}${base}`)[page] ?? {}));
  }).listen(0, "127.0.0.1");
  await once(http, "listening");
  onTestFinished(() => {
    http.close();
    http.closeAllConnections();
  });
  const ending = path.slice(base.length);
  const pages = (at: string): Record<string, object> => ({
    "/.well-known/openid-configuration": {
      issuer: at + ending,
      jwks_uri: `${at}/jwks`,
      token_endpoint: `${at}/token`,
      device_authorization_endpoint: `${at}/device`,
      id_token_signing_alg_values_supported: ["RS256"],
      ...(userinfo ? { userinfo_endpoint: `${at}/me` } : {}),
    },
    "/jwks": { keys: [{ ...own.publicKey.export({ format: "jwk" }), kid: "1", alg: "RS256", use: "sig" }] },
    "/token": { access_token: "a", token_type: "Bearer", id_token: idToken(at + ending, claims, key, alg) },
    "/me": userinfo ?? {},
  });
  const issuer = `http://127.0.0.1:${(http.address() as AddressInfo).port}${path}`;
  const settings = settingsOf("oidc", { title: "SSO", issuer, client_id: "gpu-dev", allow: "everyone" });
  return createOidc(settings, undefined, new Service({ name: "oidc", title: "SSO" }));
}

function idToken(issuer: string, claims: object, key: KeyObject, alg: string): string {
  const now = Math.floor(Date.now() / 1000);
  const usual = {
    iss: issuer,
    aud: "gpu-dev",
    sub: "1",
    iat: now,
    exp: now + 3600,
    preferred_username: "ada",
  };
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part({ alg, kid: "1" })}.${part({ ...usual, ...claims })}`;
  return `${text}.${createSign("sha256").update(text).sign(key, "base64url")}`;
}

test("what is as it should be is believed; the ID token goes before the page about the user", async () => {
  const provider = await openWith({ userinfo: { sub: "1", preferred_username: "root", groups: ["x"] } });
  expect(await provider.poll("code")).toMatchObject({ subject: "1", name: "ada" });
});

test("an issuer that ends in a slash is believed as it writes itself; with or without it it is the same provider", async () => {
  const provider = await openWith({ path: "/application/o/gpu-dev/" });
  expect(await provider.poll("code")).toMatchObject({
    subject: "1",
    provider: expect.stringMatching(/\/application\/o\/gpu-dev$/),
  });
});

test.each<[string, Told, RegExp]>([
  ["for another audience", { claims: { aud: "another" } }, /"aud"/],
  ["of another issuer", { claims: { iss: "https://mallory.test" } }, /"iss"/],
  ["that is over", { claims: { exp: 1_000_000_000 } }, /"exp"/],
  ["that somebody else signed", { key: others.privateKey }, /signature/i],
  ["that nobody signed", { alg: "none" }, /alg/],
  ["beside a page about somebody else", { userinfo: { sub: "2" } }, /"sub"/],
])("X-02 an ID token %s is refused, with the reason", async (_what, told, why) => {
  const provider = await openWith(told);
  const error = await provider.poll("code").then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toMatchObject({
    code: "not_allowed",
    message: expect.stringMatching(/^what SSO says of you/),
  });
  expect(error).toMatchObject({ message: expect.stringMatching(why) });
});
