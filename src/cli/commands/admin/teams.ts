/** `gpu-dev admin teams`: users who share quotas. */
import type { Client } from "../../../api/client.ts";
import type { Team } from "../../../api/quotas.ts";
import { defineCommand } from "../../command.ts";
import { UsageError } from "../../errors.ts";
import { allPages } from "../../http/all-pages.ts";
import { idempotencyKey } from "../../http/idempotency-key.ts";
import { name } from "../../options.ts";
import type { Output } from "../../output/output.ts";
import { ago } from "../../output/time.ts";

const ACTIONS = ["list", "create", "delete", "add", "remove"] as const;

export const command = defineCommand({
  arguments: [
    {
      name: "action",
      summary: "create, delete, add or remove; without it, all teams are listed",
      completes: ACTIONS,
    },
    { name: "team", summary: "The team's name" },
    { name: "user", summary: "To add or remove: the user's name" },
  ],
  options: {},
  details:
    "A user is in one team at most: adding takes them out of another. What the members of a team use counts together against the team's quota (`gpu-dev admin quotas`), also what they used before they came. For administrators.",
  examples: [
    { line: "gpu-dev admin teams", meaning: "The teams and who is in them" },
    { line: "gpu-dev admin teams create vision", meaning: "Makes a team" },
    { line: "gpu-dev admin teams add vision ann", meaning: "ann shares the quotas of vision from now on" },
  ],
  async run([action = "list", team, user], _options, ctx): Promise<Output> {
    const page = action === "list" ? await allPages((query) => ctx.api().listTeams({ query })) : undefined;
    const items = page?.items ?? [await change(ctx.api(), action, team, user)];
    const now = ctx.clock.now();
    return {
      json: page ?? items[0],
      header: ["TEAM", "MEMBERS", "CREATED"],
      rows: items.map((one) => [one.name, one.members.join(", "), ago(one.created_at, now)]),
      empty: "There are no teams. `gpu-dev admin teams create NAME` makes one.",
    };
  },
});

function change(
  api: Client,
  action: string,
  team: string | undefined,
  user: string | undefined,
): Promise<Team> {
  switch (action) {
    case "create":
      return api.createTeam({ body: { name: name(given("team", team)) }, idempotencyKey: idempotencyKey() });
    case "delete":
      return api.deleteTeam({ params: { team: given("team", team) } });
    case "add":
      return api.addMember({ params: { team: given("team", team) }, body: { user: given("user", user) } });
    case "remove":
      return api.removeMember({ params: { team: given("team", team), user: given("user", user) } });
    default:
      throw new UsageError(`${JSON.stringify(action)} is none of ${ACTIONS.join(", ")}`);
  }
}

function given(what: "team" | "user", word: string | undefined): string {
  if (word !== undefined) return word;
  throw new UsageError(`missing required argument '${what}'`, "`gpu-dev admin teams` lists the teams.");
}
