/** The alert rules and the dashboard that are shipped: Prometheus takes them, and they name only what there is. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { createMetrics } from "../../src/server/metrics.ts";
import { engineNamed, openRig } from "../server/rig.ts";

const deploy = join(import.meta.dirname, "..", "..", "deploy");
const prometheus = join(deploy, "prometheus");
const read = (...path: string[]): string => readFileSync(join(deploy, ...path), "utf8");
const promtool = (...args: string[]): string =>
  execFileSync("promtool", args, { cwd: prometheus, encoding: "utf8", stdio: "pipe" });

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly summary: string; readonly action: string };
}
interface RuleTest {
  readonly name: string;
  readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly unknown[] }[];
}
const rules = (): Rule[] =>
  (parse(read("prometheus", "gpu-dev.rules.yml")) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    (group) => group.rules,
  );
const tests = (): RuleTest[] =>
  (parse(read("prometheus", "gpu-dev.test.yml")) as { tests: RuleTest[] }).tests;

test("O-07 Prometheus takes the rules, and each alert fires and clears", () => {
  expect(promtool("check", "rules", "gpu-dev.rules.yml")).toContain("SUCCESS");
  expect(promtool("test", "rules", "gpu-dev.test.yml")).toContain("SUCCESS");
  for (const { alert } of rules()) {
    const own = tests().filter(({ name }) => name === alert);
    const outcomes = own
      .flatMap((one) => one.promql_expr_test)
      .map(({ expr, exp_samples }) => {
        expect(expr).toBe(`count(ALERTS{alertname="${alert}",alertstate="firing"})`);
        return exp_samples.length === 1 ? "fires" : "clears";
      });
    expect(new Set(outcomes), alert).toEqual(new Set(["fires", "clears"]));
  }
});

test("every alert says what is wrong and what to do", () => {
  for (const { alert, annotations } of rules()) {
    expect(annotations.summary.length, alert).toBeGreaterThan(10);
    expect(annotations.action.length, alert).toBeGreaterThan(10);
  }
});

/** Names of the page as queries have them: those of histograms with their endings. */
async function seriesOfPage(): Promise<Map<string, string>> {
  const rig = await openRig(engineNamed("sqlite"));
  const service = { name: "github-keys", state: () => ({ answered: 1, failed: 0, refused: 0, down: false }) };
  const page = await createMetrics({ ...rig.core, services: [service] }, undefined, { endsAt: 1 }).page();
  await rig.close();
  return new Map(
    [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = "", type = ""]) => [name, type]),
  );
}

test("O-07 every metric that the rules, the dashboard and the page about them name is on the page, and the other way round", async () => {
  const page = await seriesOfPage();
  const family = (name: string): string => {
    const base = name.replace(/_(bucket|sum|count)$/, "");
    return page.get(base) === "histogram" ? base : name;
  };
  const named = (text: string): string[] =>
    [...new Set((text.match(/\bgpu_dev_[a-z_]+/g) ?? []).map(family))].sort();
  const observing = readFileSync(join(deploy, "..", "docs", "observing.md"), "utf8");
  for (const text of [
    read("prometheus", "gpu-dev.rules.yml"),
    read("prometheus", "gpu-dev.test.yml"),
    read("grafana", "gpu-dev.json"),
  ]) {
    expect(named(text).filter((name) => !page.has(name))).toEqual([]);
    expect(named(text).length).toBeGreaterThan(5);
  }
  expect(named(observing)).toEqual([...page.keys()].sort());
});

test("the dashboard asks in the language of Prometheus", () => {
  const { panels } = JSON.parse(read("grafana", "gpu-dev.json")) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };
  const queries = panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  expect(queries.length).toBeGreaterThan(15);
  const groups = [
    { name: "dashboard", rules: queries.map((expr, i) => ({ record: `dashboard:query${i}`, expr })) },
  ];
  const scratch = mkdtempSync(join(tmpdir(), "gd-dashboard-"));
  const file = join(scratch, "rules.yml");
  writeFileSync(file, JSON.stringify({ groups }));
  expect(promtool("check", "rules", file)).toContain(`${queries.length} rules found`);
  rmSync(scratch, { recursive: true });
});
