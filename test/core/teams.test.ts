import { beforeEach, describe, expect, test } from "vitest";
import { listQuotas, setQuota } from "../../src/core/quotas/settings.ts";
import { addMember, createTeam, deleteTeam, listTeams, removeMember } from "../../src/core/teams.ts";
import { engines, freshDatabases } from "../helpers/engines.ts";
import { makeWorld, type World } from "./world.ts";

describe.each(engines)("teams on $engine", ({ create }) => {
  let world: World;
  const fresh = freshDatabases(create);
  beforeEach(async () => {
    world = await makeWorld(await fresh());
  });

  const teams = async () => (await listTeams(world.core)).items.map(({ name, members }) => [name, members]);
  const make = (name: string) => createTeam(world.core, world.ann, name, undefined);
  const add = (team: string, user: string) => addMember(world.core, world.ann, team, user);

  test("a user is in one team at most; whoever is added leaves another", async () => {
    await make("vision");
    await make("audio");
    await add("vision", "bob");
    await add("vision", "ann");
    await add("vision", "ann");
    expect(await teams()).toEqual([
      ["audio", []],
      ["vision", ["ann", "bob"]],
    ]);
    const first = await listTeams(world.core, { limit: 1 });
    expect(first.items.map((team) => team.name)).toEqual(["audio"]);
    const second = await listTeams(world.core, { limit: 1, cursor: first.next_cursor ?? "" });
    expect([second.items.map((team) => team.name), second.next_cursor]).toEqual([["vision"], null]);
    expect(await add("audio", "bob")).toMatchObject({ name: "audio", members: ["bob"] });
    expect(await removeMember(world.core, world.ann, "vision", "ann")).toMatchObject({ members: [] });
    await expect(removeMember(world.core, world.ann, "vision", "ann")).rejects.toMatchObject({
      code: "not_found",
      message: "ann is not in team vision",
    });
    const audited = (await world.rows("audit")).filter((entry) => entry.action.startsWith("team."));
    expect(audited.map(({ action, subject, detail }) => [action, subject, detail])).toEqual([
      ["team.create", "vision", null],
      ["team.create", "audio", null],
      ["team.add", "vision", "bob"],
      ["team.add", "vision", "ann"],
      ["team.add", "audio", "bob, from team vision"],
      ["team.remove", "vision", "ann"],
    ]);
  });

  test("a team that is deleted takes its quota with it, and its members are in none", async () => {
    await make("vision");
    await add("vision", "bob");
    await setQuota(world.core, world.ann, { team: "vision", gpus: 1 });
    expect(await deleteTeam(world.core, world.ann, "vision")).toMatchObject({ members: ["bob"] });
    expect([await teams(), (await listQuotas(world.core)).items]).toEqual([[], []]);
    await expect(deleteTeam(world.core, world.ann, "vision")).rejects.toMatchObject({ code: "not_found" });
  });

  test("only who there is, and a name once, also at the same moment", async () => {
    const made = await Promise.allSettled([make("vision"), make("vision")]);
    expect(made.map((one) => one.status).sort()).toEqual(["fulfilled", "rejected"]);
    await expect(add("vision", "eve")).rejects.toMatchObject({ code: "not_found" });
    await expect(add("nobody", "bob")).rejects.toMatchObject({ code: "not_found" });
  });
});
