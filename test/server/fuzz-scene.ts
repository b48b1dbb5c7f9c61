/** Nobody, a user and an administrator before an API whose every answer is held against the OpenAPI document; vera is the one whom nobody else may see. */
import { type Client, createClient, RefusedRequest } from "../../src/api/client.ts";
import { syncCapacity } from "../../src/core/gpus/inventory.ts";
import { EVENTS } from "../../src/server/accept.ts";
import type { TestEngine } from "../helpers/engines.ts";
import { cpu, h100 } from "../helpers/fake-driver.ts";
import { faultOf, type Operation, operationAt, operationOf } from "./document.ts";
import { type Asked, SOMETHING } from "./draw-request.ts";
import { everyOperation, GONE_NODE } from "./every-operation.ts";
import { furnish, type Kind, type Own, PASSWORD, type World } from "./furnish.ts";
import { createFakeProvider, known } from "./logins/fake-provider.ts";
import { type ApiRig, openRig } from "./rig.ts";

export type Role = "none" | "user" | "admin";
type Who = Role | "vera";

/** What stands in the rows of each, and in nobody else's. */
const WORDS = { none: "", user: "secret-of-uma", admin: "secret-of-ada", vera: "secret-of-vera" } as const;
const NAMES = { user: "uma", admin: "ada", vera: "vera" } as const;

interface Person {
  readonly token: string;
  readonly api: Client;
}

/** What of answers is looked at here. */
interface Answer {
  readonly id?: string;
  readonly code?: string;
  readonly disk_id?: string;
  readonly new_disk_id?: string | null;
}

export class Scene {
  /** Operations that answered with what they are for, to requests that were drawn. */
  readonly drawn = new Set<string>();
  /** The same to any. */
  readonly reached = new Set<string>();
  readonly #rig: ApiRig;
  readonly #people: Readonly<Record<Exclude<Who, "none">, Person>>;
  readonly #world: World;
  readonly #rows: { readonly who: Who; readonly kind: Kind; readonly id: string }[] = [];
  #furnished = 0;

  static async open(engine: TestEngine): Promise<Scene> {
    const provider = createFakeProvider();
    const poll = async (code: string) => known(`caller-with-${code}`);
    const logins = { providers: [{ ...provider, poll }], tokenTtlS: 3600 };
    const rig = await openRig(engine, { logins });
    const gone = { ...h100(1, GONE_NODE), host: GONE_NODE, healthy: false };
    rig.driver.nodes = [h100(8), cpu(2), gone];
    rig.driver.unasked = [{ host: GONE_NODE, why: "no answer in time" }];
    await syncCapacity(rig.core);
    rig.clock.tick(180_000);
    const [user, admin, vera] = [
      await rig.person(NAMES.user),
      await rig.person(NAMES.admin, "admin"),
      await rig.person(NAMES.vera),
    ];
    const scene = new Scene(rig, { user: user.token, admin: admin.token, vera: vera.token });
    for (const who of ["vera", "user", "admin"] as const) await scene.#furnish(who);
    return scene;
  }

  private constructor(rig: ApiRig, tokens: Readonly<Record<Exclude<Who, "none">, string>>) {
    this.#rig = rig;
    const person = (who: Exclude<Who, "none">): Person => ({
      token: tokens[who],
      api: this.#client(who, tokens[who]),
    });
    this.#people = { user: person("user"), admin: person("admin"), vera: person("vera") };
    this.#world = {
      admin: this.#people.admin.api,
      settle: () => rig.settle(),
      passLogin: () => rig.clock.tick(6000),
      say: (id, text) => rig.driver.said.set(`${id}-1`, [{ at: rig.clock.now().toISOString(), text }]),
    };
  }

  /** Whose every answer is looked at. */
  #client(who: Who, token: string): Client {
    return createClient({
      url: "",
      token,
      version: "99.0.0-test",
      fetch: async (path, init) => {
        const response = await this.#rig.app.request(path, init);
        const text = await response.clone().text();
        const operation = operationAt(init.method, path);
        if (this.#looked(operation, who, `${init.method} ${path}`, response, text))
          this.reached.add(operation.name);
        return response;
      },
    });
  }

  async #furnish(who: Exclude<Who, "none">): Promise<Own> {
    const own = await furnish(this.#world, this.#people[who].api, WORDS[who], NAMES[who]);
    for (const [kind, id] of Object.entries(own) as [Kind, string][]) this.#rows.push({ who, kind, id });
    return own;
  }

  /** Asks for each operation once as it is meant: as the administrator, whom all are answered, and as the user. */
  async visitAll(): Promise<void> {
    for (const who of ["admin", "user"] as const) {
      const own = await this.#furnish(who);
      for (const ask of Object.values(everyOperation))
        await ask(this.#people[who].api, own, this.#world).catch((error: unknown) => {
          if (who === "admin" || !(error instanceof RefusedRequest)) throw error;
        });
      await this.#repair();
    }
  }

  /** What vera has, without what goes on by itself. */
  async ofVera(): Promise<unknown> {
    const { api } = this.#people.vera;
    const query = {};
    return {
      reservations: (await api.listReservations({ query })).items.map(({ id, name }) => [id, name]),
      disks: (await api.listDisks({ query })).items.map(({ id, name }) => [id, name]),
      keys: (await api.listKeys({ query })).items,
      tokens: (await api.listTokens({ query })).items.map(({ id, label, state }) => [id, label, state]),
      registries: (await api.listRegistries({})).items,
      identities: (await api.listIdentities({})).items,
    };
  }

  /** A minute goes by, and somebody has new things in place of those that he has ended or deleted. */
  async pass(): Promise<void> {
    this.#rig.clock.tick(60_000);
    await this.#rig.settle();
    await this.#repair();
    await this.#furnish(++this.#furnished % 2 ? "user" : "admin");
  }

  /** What an administrator's requests may have taken from everybody. */
  async #repair(): Promise<void> {
    const { admin } = this.#world;
    await admin.uncordonNode({ params: { node: "node-1" } });
    const none = { gpus: null, gpu_seconds: null, max_duration_s: null, gpu_types: null };
    for (const { kind, name } of (await admin.listQuotas({ query: {} })).items)
      await admin.setQuota({ body: { [kind]: name ?? true, ...none } });
  }

  /** Sends it as `role`. Throws for an answer that must not be. */
  async send(asked: Asked, role: Role): Promise<void> {
    const operation = operationOf(asked.operation);
    const { path, init } = this.#requestOf(asked, role);
    const response = await this.#rig.app.request(path, init);
    if (response.headers.get("content-type")?.startsWith(EVENTS)) return await response.body?.cancel();
    const text = await response.text();
    const sent = `${operation.method} ${path} ${JSON.stringify(init.headers)} ${init.body}`;
    if (!this.#looked(operation, role, sent, response, text)) return;
    this.reached.add(operation.name);
    this.drawn.add(operation.name);
    this.#note(operation, role, JSON.parse(text) as Answer);
  }

  #requestOf({ operation, path, headers, body }: Asked, role: Role): { path: string; init: RequestInit } {
    const token = role === "none" ? undefined : this.#people[role].token;
    const ofPath = path.split("/")[2] ?? "";
    const named = (text: string): string =>
      text.replace(SOMETHING, (_, kind: string | undefined, n: string) =>
        this.#pick(role, kind ?? ofPath, Number(n)),
      );
    return {
      path: named(path.replaceAll("%40", "@")),
      init: {
        method: operationOf(operation).method,
        headers: { ...headers, ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
        ...(body === undefined ? {} : { body: named(body) }),
      },
    };
  }

  /** One's own, now and then somebody's; but of what an administrator may do anything to, never vera's. */
  #pick(role: Role, kind: string, n: number): string {
    const all =
      role === "admin"
        ? this.#rows.filter(({ who, kind: of }) => who !== "vera" || of !== "tokens")
        : this.#rows;
    const own = all.filter((row) => row.who === role && row.kind === kind);
    const among = n % 4 === 0 || own.length === 0 ? all : own;
    return among[n % among.length]?.id ?? "";
  }

  /** True for an answer that is what the operation is for. Throws for one that must not be. */
  #looked(operation: Operation, who: Who, sent: string, response: Response, text: string): boolean {
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    const fault = this.#faultIn(operation, who, response.status, type, text);
    if (fault !== undefined) throw new Error(`${fault}\n${who}: ${sent}\n${response.status} ${type} ${text}`);
    return response.status < 300;
  }

  #faultIn(operation: Operation, who: Who, status: number, type: string, text: string): string | undefined {
    const said = operation.responses[status];
    const schema = said?.content[type]?.schema;
    if (status >= 500 || !schema) return "not in the document";
    const answer = JSON.parse(text) as Answer;
    const fault = faultOf(schema, answer);
    if (fault !== undefined) return `not as the document has it: ${fault}`;
    if (status >= 400 && !said.description.split(", ").includes(answer.code ?? ""))
      return "a code of other operations";
    const foreign = this.#foreign(who, text);
    if (foreign !== undefined) return `${foreign} is told to who must not know it`;
    return /_(?:at|until)":"(?:0000|0001|1970)-/.test(text) ? "a date that is none" : undefined;
  }

  /** What administrators see of others is what they are asked to look after. */
  #foreign(who: Who, text: string): string | undefined {
    const tokens = Object.values(this.#people ?? {}).map(({ token }) => token);
    const words = Object.entries(WORDS).flatMap(([of, word]) => (of === who || of === "none" ? [] : [word]));
    return [PASSWORD, ...tokens, ...(who === "admin" ? [] : words)].find((word) => text.includes(word));
  }

  #note({ method, path }: Operation, role: Role, answer: Answer): void {
    const kind = (answer.disk_id === undefined ? path.split("/")[2] : "disk-operations") as Kind;
    if (method === "POST" && answer.id !== undefined) this.#rows.push({ who: role, kind, id: answer.id });
    if (answer.new_disk_id) this.#rows.push({ who: role, kind: "disks", id: answer.new_disk_id });
  }

  close(): Promise<void> {
    return this.#rig.close();
  }
}
