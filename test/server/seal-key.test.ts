/** The key for users' secrets at the start of servers: made once, the same for all of a database, and replaced only when that is asked for. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { createSealer } from "../../src/core/images/seal.ts";
import { createLogger } from "../../src/server/log.ts";
import { openSealKey } from "../../src/server/seal-key.ts";
import { engines } from "../helpers/engines.ts";
import { type ApiRig, openRig } from "./rig.ts";

const logger = createLogger("silent", { write: () => true });
const OTHER =
  /another key than the one that the secrets in this database are encrypted with.*--forget-secrets/;

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  beforeEach(async () => {
    rig = await openRig(engine);
    onTestFinished(() => rig.close());
  });
  function directory(): string {
    const path = mkdtempSync(join(tmpdir(), "gd-seal-"));
    onTestFinished(() => rmSync(path, { recursive: true }));
    return path;
  }
  const open = (dataDir: string, given: { secretsKeyFile?: string; forgetSecrets?: boolean } = {}) =>
    openSealKey({ dataDir, ...given }, rig.core, logger);

  test("the first start makes it for its user alone, and all of that directory use it", async () => {
    const dataDir = directory();
    const keys = await Promise.all([open(dataDir), open(dataDir), open(dataDir)]);
    expect(new Set(keys.map(String)).size).toBe(1);
    expect((statSync(join(dataDir, "secrets.key")).mode & 0o777).toString(8)).toBe("600");
    expect(await open(dataDir)).toEqual(keys[0]);
  });

  test("a server with another key does not start, wherever its key is", async () => {
    const first = directory();
    const key = await open(first);
    // Its directory is empty: a key of its own would seal what no other server reads.
    const second = directory();
    await expect(open(second)).rejects.toThrow(/is missing.*secrets_key_file.*--forget-secrets/);
    const file = join(second, "key");
    await expect(open(second, { secretsKeyFile: file })).rejects.toThrow(
      /is missing.*openssl rand -base64 32/,
    );
    writeFileSync(file, `${randomBytes(32).toString("base64")}\n`);
    await expect(open(second, { secretsKeyFile: file })).rejects.toThrow(OTHER);
    writeFileSync(file, "short");
    await expect(open(second, { secretsKeyFile: file })).rejects.toThrow(/holds no key of 32 bytes/);
    await expect(open(second, { secretsKeyFile: second })).rejects.toThrow(/cannot be read \(EISDIR\)/);
    writeFileSync(file, `${key.toString("base64")}\n`);
    expect(await open(second, { secretsKeyFile: file })).toEqual(key);
    writeFileSync(join(second, "secrets.key"), readFileSync(join(first, "secrets.key")));
    expect(await open(second)).toEqual(key);
  });

  test("a file that holds no key is replaced then, too, but not one that the operator named", async () => {
    const dataDir = directory();
    const path = join(dataDir, "secrets.key");
    const key = await open(dataDir);
    writeFileSync(path, "");
    await expect(open(dataDir)).rejects.toThrow(/holds no key.*--forget-secrets/);
    const named = { secretsKeyFile: path, forgetSecrets: true };
    await expect(open(dataDir, named)).rejects.toThrow(/holds no key.*openssl rand -base64 32/);
    const fresh = await open(dataDir, { forgetSecrets: true });
    expect(fresh).not.toEqual(key);
    expect(await open(dataDir)).toEqual(fresh);
  });

  test("a key that is lost is replaced when that is asked for, and what it sealed is forgotten", async () => {
    const dataDir = directory();
    const { core } = rig;
    const ann = await rig.person("ann");
    const old = createSealer(await open(dataDir));
    const { images } = core.settings;
    if (!images) throw new Error("the rig has no images");
    const on = (sealer: typeof old) =>
      rig.appOn({ ...core, settings: { ...core.settings, images: { ...images, sealer } } });
    const logIn = async (sealer: typeof old) =>
      (
        await on(sealer).request("/v1/registries", {
          method: "POST",
          body: JSON.stringify({ host: "ghcr.io", username: "ann", password: "x" }),
          headers: { authorization: `Bearer ${ann.token}`, "content-type": "application/json" },
        })
      ).status;
    const hosts = async () => (await ann.api.listRegistries({})).items.map(({ host }) => host);
    expect(await logIn(old)).toBe(200);
    // It has the same key: there is nothing to forget.
    await open(dataDir, { forgetSecrets: true });
    expect(await hosts()).toEqual(["ghcr.io"]);
    rmSync(join(dataDir, "secrets.key"));
    await expect(open(dataDir)).rejects.toThrow(/is missing/);
    const fresh = createSealer(await open(dataDir, { forgetSecrets: true }));
    expect(await hosts()).toEqual([]);
    // A server that still has the old one must not seal with it.
    expect(await logIn(old)).toBe(503);
    expect(await logIn(fresh)).toBe(200);
    const ada = await rig.person("ada", "admin");
    expect((await ada.api.listAudit({ query: { action: "secrets.forget" } })).items).toMatchObject([
      { actor: "system", data: { logins: 1 } },
    ]);
  });
});
