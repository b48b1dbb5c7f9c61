import { expect, test } from "vitest";
import { parseHost } from "../../src/tunnel/hosts.ts";

const ID = "abcdefghijklmnopqrst";
const D = "gpu-dev.internal";

test.each([
  [`${ID}.${D}`, { kind: "pod", id: ID, node: 0 }],
  [`${ID}-3.${D}`, { kind: "pod", id: ID, node: 3 }],
  [`gpu-dev-abcd2345.${D}`, { kind: "alias", id8: "abcd2345" }],
])("T-03 %s is accepted", (host, target) => {
  expect(parseHost(host, D)).toEqual(target);
});

test("T-03 case and one trailing dot are normalised", () => {
  expect(parseHost(`${ID.toUpperCase()}.GPU-Dev.Internal.`, D)).toEqual({ kind: "pod", id: ID, node: 0 });
  expect(parseHost(`${ID}.${D}`, "GPU-DEV.internal.")).toEqual({ kind: "pod", id: ID, node: 0 });
});

test.each([
  ["a foreign suffix", `${ID}.${D}.evil.com`],
  ["a foreign suffix without a dot", `${ID}.evil-${D}`],
  ["the domain with a prefix", `evil-${D}`],
  ["the bare domain", D],
  ["the bare domain with a dot in front", `.${D}`],
  ["an id alone", ID],
  ["one label too many", `x.${ID}.${D}`],
  ["an empty label", `${ID}..${D}`],
  ["two trailing dots", `${ID}.${D}..`],
  ["an IPv4 literal", "127.0.0.1"],
  ["an IPv6 literal", "[::1]"],
  ["dots up", `../${ID}.${D}`],
  ["a percent-encoded dot", `${ID}%2e${D}`],
  ["a percent-encoded letter", `%61${ID.slice(1)}.${D}`],
  ["an id that is too short", `${ID.slice(1)}.${D}`],
  ["an id that is too long", `${ID}a.${D}`],
  ["an id with a digit first", `2${ID.slice(1)}.${D}`],
  ["a node with a leading zero", `${ID}-01.${D}`],
  ["a node that is no number", `${ID}-x.${D}`],
  ["a negative node", `${ID}--1.${D}`],
  ["an alias that is too long", `gpu-dev-abcd23456.${D}`],
  ["a path", `${ID}.${D}/x`],
  ["a port", `${ID}.${D}:22`],
  ["a user", `root@${ID}.${D}`],
  ["a letter that folds to ASCII (kelvin sign)", `${ID.replace("k", "\u212a")}.${D}`],
  ["a line break", `${ID}.${D}\n`],
  ["a zero byte", `${ID}.${D}\0`],
  ["an over-long name", `${"a.".repeat(130)}${D}`],
  ["an over-long label", `${"a".repeat(64)}.${D}`],
  ["nothing", ""],
])("T-03 %s is refused", (_, host) => {
  expect(parseHost(host, D)).toBeUndefined();
});

test("T-04 the domain is what the configuration says", () => {
  expect(parseHost(`${ID}.pods.example`, "pods.example")).toEqual({ kind: "pod", id: ID, node: 0 });
  expect(parseHost(`${ID}.${D}`, "pods.example")).toBeUndefined();
  expect(parseHost(`${ID}.`, "")).toBeUndefined();
});
