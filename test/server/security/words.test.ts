/** Words that mean something to a shell, a database, a file system or a terminal, in every field that takes words; on both engines. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { newKeyPair } from "../../../src/core/people/key-pair.ts";
import { engines } from "../../helpers/engines.ts";
import { type ApiRig, openRig, type Person } from "../rig.ts";
import { refusal } from "./refusal.ts";

const WORDS = [
  "'; drop table reservations; --",
  '" or ""="',
  "$(touch /tmp/x)",
  "`id`",
  "a;reboot",
  "a|cat /etc/passwd",
  "../../etc/shadow",
  "/etc/passwd",
  "a/../b",
  "..",
  "-rf",
  "--help",
  "a\nb",
  "a\r\nset-cookie: x=1",
  "a\u0000b",
  "\u001b[2J",
  "\u202egnp.exe",
  "{{7*7}}",
  "$\u007benv:PATH}",
  "<script>alert(1)</script>",
  "%2e%2e%2f",
  "a b",
  "ä",
];

const BUILD = { digest: "0".repeat(64), bytes: 1024, dockerfile: "Dockerfile" };

describe.each(engines)("on $engine", (engine) => {
  let rig: ApiRig;
  let alice: Person;
  let disk: string;
  let reservation: string;
  beforeAll(async () => {
    rig = await openRig(engine);
    alice = await rig.person("alice", "admin");
    disk = (await alice.api.createDisk({ body: { name: "work" } })).disk_id;
    await rig.settle();
    await alice.api.createSnapshot({ params: { id: disk }, body: {} });
    reservation = (await alice.api.createReservation({ body: { gpu_type: "h100", duration_s: 3600 } })).id;
    await rig.settle();
  });
  afterAll(() => rig.close());

  const send = (method: string, path: string, body?: unknown) =>
    rig.request(alice, path, {
      method,
      headers: { "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const reserve = (input: object) =>
    send("POST", "/v1/reservations", { gpu_type: "h100", duration_s: 60, ...input });

  const inPaths = (word: string): [Promise<Response>, RegExp][] => [
    [send("POST", `/v1/nodes/${word}/cordon`), /^404 not_found$/],
    [send("GET", `/v1/reservations/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/disks/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/keys/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/registries/${word}`), /^404 not_found$/],
    [send("GET", `/v1/builds/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/teams/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/identities/${word}`), /^404 not_found$/],
    [send("DELETE", `/v1/tokens/${word}`), /^404 not_found$/],
  ];

  test.each(WORDS)("X-03 the word %j is refused wherever a name, a type or an id belongs", async (word) => {
    const inPath = encodeURIComponent(word);
    const attempts: [Promise<Response>, RegExp][] = [
      [reserve({ gpu_type: word }), /^400 invalid_input$/],
      [reserve({ name: word }), /^400 invalid_input$/],
      [reserve({ disk: word }), /^40[04] (?:invalid_input|not_found)$/],
      [reserve({ priority: word }), /^400 invalid_input$/],
      [reserve({ start_at: word }), /^400 invalid_input$/],
      [reserve({ webhook: word }), /^400 invalid_input$/],
      [send("PATCH", `/v1/reservations/${reservation}`, { name: word }), /^400 invalid_input$/],
      [send("PATCH", `/v1/reservations/${reservation}`, { remove_users: [word] }), /^400 invalid_input$/],
      [
        send("PATCH", `/v1/reservations/${reservation}`, { add_users: [`github:${word}`] }),
        /^400 invalid_input$/,
      ],
      [send("POST", "/v1/disks", { name: word }), /^400 invalid_input$/],
      [send("PATCH", `/v1/disks/${disk}`, { name: word }), /^400 invalid_input$/],
      [send("PATCH", `/v1/disks/${disk}`, { snapshot_policy: word }), /^400 invalid_input$/],
      [send("POST", `/v1/disks/${disk}/restore`, { snapshot: word }), /^40[04] (?:invalid_input|not_found)$/],
      [send("POST", `/v1/disks/${disk}/restore`, { snapshot: "latest", as: word }), /^400 invalid_input$/],
      [send("POST", "/v1/users", { name: word }), /^400 invalid_input$/],
      [send("POST", "/v1/keys", { public_key: word }), /^400 invalid_input$/],
      [reserve({ image: word }), /^400 invalid_input$/],
      [reserve({ build: word }), /^400 invalid_input$/],
      [reserve({ entrypoint: word }), /^400 invalid_input$/],
      [send("POST", "/v1/registries", { host: word, username: "a", password: "b" }), /^400 invalid_input$/],
      [send("POST", "/v1/builds", { ...BUILD, digest: word }), /^400 invalid_input$/],
      [send("POST", "/v1/builds", { ...BUILD, dockerfile: `../${word}` }), /^400 invalid_input$/],
      [send("POST", "/v1/teams", { name: word }), /^400 invalid_input$/],
      [send("PATCH", "/v1/quotas", { team: word, gpus: 1 }), /^40[04] (?:invalid_input|not_found)$/],
      [send("POST", "/v1/logins", { with: word }), /^400 invalid_input$/],
      [
        send("POST", `/v1/users/${alice.id}/identities`, { with: "github", subject: word }),
        /^400 invalid_input$/,
      ],
      [send("POST", "/v1/tokens", { label: "x", scope: word }), /^400 invalid_input$/],
      [send("GET", `/v1/audit?action=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/audit?reservation=${inPath}`), /^40[04] (?:invalid_input|not_found)$/],
      [send("GET", `/v1/reservations/${reservation}/logs?after=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/reservations/${reservation}/logs?node=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/reservations/${reservation}/logs?since=${inPath}`), /^400 invalid_input$/],
      // A URL takes two dots for a way up, not for a name.
      ...(word === ".." ? [] : inPaths(inPath)),
      [send("GET", `/v1/reservations?sort=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/reservations?state=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/reservations?id_prefix=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/reservations?cursor=${inPath}`), /^400 invalid_input$/],
      [send("GET", `/v1/disks/${disk}/contents?snapshot=${inPath}`), /^40[04] (?:invalid_input|not_found)$/],
      [send("GET", `/v1/disks/${disk}/contents?path=${inPath}`), /^40[04] (?:invalid_input|not_found)$/],
    ];
    for (const [i, [attempt, expected]] of attempts.entries()) {
      expect(`${i} ${await refusal(await attempt)}`).toMatch(new RegExp(`^${i} ${expected.source.slice(1)}`));
    }
  });

  test.each(WORDS)("X-03 the word %j in a note, a label or a reason stays a word", async (word) => {
    const taken = !word.includes("\u0000");
    const notes = await send("POST", `/v1/disks/${disk}/snapshots`, { note: word });
    expect(notes.status).toBe(taken ? 202 : 400);
    await rig.settle();
    const { items } = await alice.api.listSnapshots({ params: { id: disk }, query: {} });
    expect(items.some((snapshot) => snapshot.note === word)).toBe(taken);
  });

  test.each([
    ["two lines", (key: string) => `${key}\nssh-ed25519 AAAA evil`],
    ["a line that ends early", (key: string) => `${key}\r\ncommand="sh" ${key}`],
    ["options", (key: string) => `command="curl evil" ${key}`],
    ["no pty but a command", (key: string) => `no-pty,command="sh" ${key}`],
    ["an environment", (key: string) => `environment="LD_PRELOAD=/tmp/x" ${key}`],
    ["a certificate authority", (key: string) => `cert-authority ${key}`],
    ["a NUL character", (key: string) => `${key}\u0000`],
    ["a private key", () => newKeyPair().privateKey],
    ["an empty line", () => "\n"],
    ["sixteen KiB of nothing", () => "A".repeat(16_385)],
  ])("X-04 a key with %s is refused", async (_what, made) => {
    const public_key = made(newKeyPair().publicKey);
    expect(await refusal(await send("POST", "/v1/keys", { public_key }))).toBe("400 invalid_input");
  });

  test("X-03 after all of that there is what there was, and nothing more", async () => {
    const all = await alice.api.listReservations({ query: { state: "all" } });
    expect(all.items.map(({ id, state }) => [id, state])).toEqual([[reservation, "active"]]);
    expect((await alice.api.listDisks({ query: { state: "all" } })).items.map(({ name }) => name)).toEqual([
      "work",
    ]);
    expect((await alice.api.listKeys({ query: {} })).items).toHaveLength(1);
    expect((await alice.api.listUsers({ query: {} })).items.map(({ name }) => name)).toEqual(["alice"]);
  });
});
