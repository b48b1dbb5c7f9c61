/**
 * The API against requests drawn from its own OpenAPI document, as nobody, as a user and as an administrator. `npm test` runs a tenth of
 * `npm run soak`. GPU_DEV_SEED replays a run.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { newKeyPair } from "../../src/core/people/key-pair.ts";
import { EVENTS } from "../../src/server/accept.ts";
import { engines } from "../helpers/engines.ts";
import { cpu, h100 } from "../helpers/fake-driver.ts";
import { chosenSeed } from "../helpers/random.ts";
import { faultOf, type Operation, operationOf, operations } from "./document.ts";
import { type Asked, request, SOMETHING } from "./draw-request.ts";
import { type ApiRig, openRig, type Person } from "./rig.ts";

/** On each engine. */
const REQUESTS = process.env.GPU_DEV_SOAK === undefined ? 500 : 5000;
type Role = "none" | "user" | "admin";
type People = { readonly none: undefined; readonly user: Person; readonly admin: Person };

const roles = fc.oneof(
  { weight: 1, arbitrary: fc.constant<Role>("none") },
  { weight: 4, arbitrary: fc.constantFrom<Role>("user", "admin") },
);

/** In every word of somebody whom nobody else may see. */
const SECRET = "secret-of-vera";

const seed = chosenSeed();

describe.each(engines)("on $engine", (engine) => {
  test(`A-14 A-02 no 5xx, no answer outside of the document, nothing of others (seed ${seed})`, {
    timeout: REQUESTS * 2000,
  }, async () => {
    const scene = await Scene.open(await openRig(engine));
    try {
      const before = await scene.ofVera();
      let sent = 0;
      const property = fc.asyncProperty(request, roles, async (asked, role) => {
        await scene.send(asked, role);
        if (++sent % 40 === 0) await scene.pass();
      });
      // The scene goes on from request to request, so that a smaller case could not be told from another one.
      await fc.assert(property, { seed, numRuns: REQUESTS, endOnFailure: true });
      const share = scene.reached.size / operations.length;
      expect(share, `reached only ${[...scene.reached].join(", ")}`).toBeGreaterThan(0.4);
      expect(await scene.ofVera()).toEqual(before);
    } finally {
      await scene.close();
    }
  });
});

class Scene {
  /** Operations that answered with what they are for. */
  readonly reached = new Set<string>();
  readonly #rig: ApiRig;
  readonly #people: People;
  readonly #vera: Person;
  /** Ids that are there, by whose they are and the word in the path for what they name. */
  readonly #ids: { readonly role: Role | "vera"; readonly kind: string; readonly id: string }[] = [];
  #furnished = 0;

  static async open(rig: ApiRig): Promise<Scene> {
    rig.driver.nodes = [h100(4), cpu(2)];
    await syncCapacity(rig.core);
    const people = {
      none: undefined,
      user: await rig.person("uma"),
      admin: await rig.person("ada", "admin"),
    };
    const scene = new Scene(rig, await rig.person("vera"), people);
    await scene.#furnish("vera", scene.#vera, SECRET);
    for (const role of ["user", "admin"] as const) await scene.#furnish(role, people[role], role);
    return scene;
  }

  private constructor(rig: ApiRig, vera: Person, people: People) {
    this.#rig = rig;
    this.#vera = vera;
    this.#people = people;
  }

  /** One of each thing that somebody can have. */
  async #furnish(role: Role | "vera", { api }: Person, word: string): Promise<void> {
    const has = (kind: string, id: string | null): number => this.#ids.push({ role, kind, id: id ?? "" });
    has("keys", (await api.createKey({ body: { public_key: newKeyPair().publicKey } })).id);
    const disk = await api.createDisk({ body: { name: `${word}-disk`, size_bytes: 2 ** 24 } });
    await this.#rig.settle();
    const snapshot = await api.createSnapshot({ params: { id: disk.disk_id }, body: { note: word } });
    await this.#rig.settle();
    has("disks", disk.disk_id);
    has("disk-operations", disk.id);
    has("snapshots", snapshot.snapshot_id);
    const reservation = { gpu_type: "h100", duration_s: 36_000, name: word };
    has("reservations", (await api.createReservation({ body: reservation })).id);
  }

  /** What vera has, without what goes on by itself. */
  async ofVera(): Promise<unknown> {
    const { api } = this.#vera;
    const query = {};
    return {
      reservations: (await api.listReservations({ query })).items.map(({ id, name }) => [id, name]),
      disks: (await api.listDisks({ query })).items.map(({ id, name }) => [id, name]),
      keys: (await api.listKeys({ query })).items,
    };
  }

  /** A minute goes by, and somebody has new things in place of those that he has ended or deleted. */
  async pass(): Promise<void> {
    this.#rig.clock.tick(60_000);
    await this.#rig.settle();
    const role = ++this.#furnished % 2 ? "user" : "admin";
    await this.#furnish(role, this.#people[role], `${role}-${this.#furnished}`);
  }

  async send(asked: Asked, role: Role): Promise<void> {
    const operation = operationOf(asked.operation);
    const { path, init } = this.#requestOf(asked, role);
    const response = await this.#rig.app.request(path, init);
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    if (type === EVENTS) return await response.body?.cancel();
    const text = await response.text();
    const fault = this.#faultIn(operation, role, response.status, type, text);
    if (fault !== undefined) {
      const sent = `${operation.method} ${path} ${JSON.stringify(init.headers)} ${init.body}`;
      throw new Error(`${fault}\n${role}: ${sent}\n${response.status} ${type} ${text}`);
    }
    if (response.status < 300) this.#note(operation, role, JSON.parse(text) as Answer);
  }

  #requestOf({ operation, path, headers, body }: Asked, role: Role): { path: string; init: RequestInit } {
    const { method } = operationOf(operation);
    const token = this.#people[role]?.token;
    const kind = path.split("/")[2] ?? "";
    const own = this.#ids.filter((one) => one.role === role && one.kind === kind);
    const named = (text: string): string =>
      text.replace(SOMETHING, (_, n: string) => {
        const among = Number(n) % 4 === 0 || own.length === 0 ? this.#ids : own;
        return among[Number(n) % among.length]?.id ?? "";
      });
    return {
      path: named(path.replaceAll("%40", "@")),
      init: {
        method,
        headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        ...(body === undefined ? {} : { body: named(body) }),
      },
    };
  }

  #faultIn(operation: Operation, role: Role, status: number, type: string, text: string): string | undefined {
    const said = operation.responses[status];
    const schema = said?.content[type]?.schema;
    if (status >= 500 || !schema) return "not in the document";
    const answer = JSON.parse(text) as Answer;
    const fault = faultOf(schema, answer);
    if (fault !== undefined) return `not as the document has it: ${fault}`;
    if (status >= 400 && !said.description.split(", ").includes(answer.code ?? ""))
      return "a code of other operations";
    // What administrators see of others is what they are asked to look after.
    if (role !== "admin" && text.includes(SECRET)) return "something of somebody else's";
    return /_(?:at|until)":"(?:0000|0001|1970)-/.test(text) ? "a date that is none" : undefined;
  }

  #note({ name, method, path }: Operation, role: Role, answer: Answer): void {
    this.reached.add(name);
    const kind = answer.disk_id === undefined ? path.split("/")[2] : "disk-operations";
    if (method === "POST" && answer.id !== undefined)
      this.#ids.push({ role, kind: kind ?? "", id: answer.id });
    if (answer.new_disk_id) this.#ids.push({ role, kind: "disks", id: answer.new_disk_id });
  }

  close(): Promise<void> {
    return this.#rig.close();
  }
}

/** What of answers is looked at here. */
interface Answer {
  readonly id?: string;
  readonly code?: string;
  readonly disk_id?: string;
  readonly new_disk_id?: string | null;
}
