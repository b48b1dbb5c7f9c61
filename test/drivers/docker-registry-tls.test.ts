/** A registry with TLS, whose authority only the engine is told of. */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { parseEngineUrl } from "../../src/api/engine-url.ts";
import { parseImageReference } from "../../src/api/image-reference.ts";
import { routeTo } from "../../src/drivers/docker/address.ts";
import { Engine } from "../../src/drivers/docker/engine.ts";
import { haveImage } from "../../src/drivers/docker/have-image.ts";
import { DEFAULT_RULES } from "../../src/drivers/docker/images.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";
import { makeCertificates } from "../helpers/certificates.ts";
import { DockerEngine, noDockerEngine } from "../helpers/docker-engine.ts";
import { ANN, noRegistry, registryAddress, registryFolder, startRegistry } from "../helpers/registry.ts";

test.skipIf(noDockerEngine() ?? noRegistry())(
  "an image comes over TLS, with a login, when the engine knows the registry's authority",
  async () => {
    const docker = await DockerEngine.start({ gpus: false });
    onTestFinished(() => docker.stop());
    const { folder, remove } = registryFolder();
    onTestFinished(remove);
    const tls = makeCertificates(folder, [registryAddress(docker.address)]);
    const registry = await startRegistry(docker.address, folder, { tls, login: true });
    onTestFinished(() => registry.stop());
    const client = new Engine(await routeTo(parseEngineUrl(docker.url) ?? expect.unreachable(), undefined));
    onTestFinished(() => client.close());
    const host = { node: "box", engine: client, room: async () => 2 ** 60 };
    const image = parseImageReference(`${registry.host}/team/box:1`) ?? expect.unreachable();
    const rules = { ...DEFAULT_RULES.pull, patienceS: 0, known: new Set([registry.host]) };
    const preparing = { say: () => undefined, note: () => undefined, signal: new AbortController().signal };
    const have = () => haveImage(host, image, ANN, rules, preparing);

    const unknown = await have().catch((error: unknown) => error);
    expect(unknown).toBeInstanceOf(LaunchRefused);
    expect(String(unknown)).toMatch(/the registry \S+ cannot be reached from the Docker host \(.*x509/);

    const trusted = join(docker.inside("/etc/docker"), "certs.d", registry.host);
    mkdirSync(trusted, { recursive: true });
    cpSync(tls.authority, join(trusted, "ca.crt"));
    const name = `${registry.host}/team/box:1`;
    await docker.docker("tag", await docker.image("busybox"), name);
    const config = join(folder, "config");
    await docker.docker("--config", config, "login", "-u", ANN.username, "-p", ANN.password, registry.host);
    await docker.docker("--config", config, "push", name);
    await docker.docker("rmi", name);
    await have();
    expect(await docker.docker("images", "--quiet", name)).not.toBe("");
    rmSync(trusted, { recursive: true });
    await expect(have()).rejects.toThrow(/x509/);
  },
);
