/** A real provider of OpenID Connect on loopback, and somebody with a browser who logs in at it. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type Configuration, Provider } from "oidc-provider";

export interface TestProvider {
  readonly issuer: string;
  /** What it says of an account, by its name. */
  readonly accounts: Record<string, Record<string, unknown>>;
  /** Its port refuses connections, until it is started again; it forgets nothing. */
  stop(): Promise<void>;
  start(): Promise<void>;
}

export const CLIENT = { id: "gpu-dev", secret: "a-secret-of-the-registration" };

/** A provider that knows `accounts`, and this server as a client that may use the device flow. */
export async function startProvider(
  accounts: TestProvider["accounts"],
  more: Partial<Configuration> = {},
): Promise<TestProvider> {
  const http = createServer().listen(0, "127.0.0.1");
  await once(http, "listening");
  const { port } = http.address() as AddressInfo;
  const issuer = `http://127.0.0.1:${port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        token_endpoint_auth_method: "client_secret_post",
        grant_types: ["urn:ietf:params:oauth:grant-type:device_code"],
        redirect_uris: [],
        response_types: [],
      },
    ],
    features: { deviceFlow: { enabled: true } },
    cookies: { keys: ["for tests"] },
    claims: {
      openid: ["sub"],
      profile: ["preferred_username", "groups"],
      email: ["email", "email_verified"],
    },
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ sub, ...accounts[sub] }) }),
    ...more,
  });
  http.on("request", provider.callback());
  const stop = async (): Promise<void> => {
    if (!http.listening) return;
    http.close();
    http.closeAllConnections();
    await once(http, "close");
  };
  return {
    issuer,
    accounts,
    stop,
    async start() {
      http.listen(port, "127.0.0.1");
      await once(http, "listening");
    },
  };
}

/** What they type and press, on whichever page asks for it. */
export interface Answers {
  readonly login: string;
  /** Where the page does not know it from its address. */
  readonly user_code?: string;
  /** Presses "abort" where the code is to be confirmed. */
  readonly abort?: boolean;
}

/** Opens `url` and fills in form after form, until a page has none; its text. */
export async function visit(url: string, { login, user_code = "", abort = false }: Answers): Promise<string> {
  const cookies = new Map<string, string>();
  let page = await request(cookies, url);
  for (let pages = 0; pages < 10; pages++) {
    const form = /<form[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/.exec(page.text);
    if (!form) return page.text;
    const [, action = "", inside = ""] = form;
    const fields = new URLSearchParams(hiddenFields(inside));
    if (abort && fields.has("confirm")) {
      fields.delete("confirm");
      fields.set("abort", "yes");
    }
    if (fields.get("prompt") === "login") for (const field of ["login", "password"]) fields.set(field, login);
    if (!fields.has("user_code") && inside.includes('name="user_code"')) fields.set("user_code", user_code);
    page = await request(cookies, new URL(action.replaceAll("&amp;", "&"), page.url).href, fields);
    if (fields.has("abort")) return page.text;
  }
  throw new Error(`too many forms, the last one in ${page.text}`);
}

const hiddenFields = (html: string): [string, string][] =>
  [...html.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([tag]) => [
    /name="([^"]*)"/.exec(tag)?.[1] ?? "",
    /value="([^"]*)"/.exec(tag)?.[1] ?? "",
  ]);

/** Follows redirects, and keeps cookies as a browser does. */
async function request(
  cookies: Map<string, string>,
  url: string,
  form?: URLSearchParams,
): Promise<{ url: string; text: string }> {
  const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join("; ");
  const post = form === undefined ? {} : { method: "POST", body: form };
  const response = await fetch(url, { ...post, headers: { cookie }, redirect: "manual" });
  for (const line of response.headers.getSetCookie()) {
    const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
    if (value === "") cookies.delete(name);
    else cookies.set(name, value);
  }
  const location = response.headers.get("location");
  if (location === null) return { url, text: await response.text() };
  await response.body?.cancel();
  return request(cookies, new URL(location, url).href);
}
