/** `gpu-dev edit`: extends, renames or shares a reservation. */
import type { PatchReservation } from "../../api/reservations.ts";
import { reservationArgument } from "../argument.ts";
import { defineCommand, type Values } from "../command.ts";
import { UsageError } from "../errors.ts";
import { findReservation, isOwn, wordOrAsked } from "../find.ts";
import { collaborator, duration, name, parsed, repeated } from "../options.ts";
import type { Output } from "../output/output.ts";
import { label } from "../output/reservation.ts";
import { refreshSshFiles } from "../ssh/ssh-files.ts";
import { webhookOrNone } from "../webhook.ts";
import { describe } from "./show.ts";

const extension = (given: string): number | "max" => (given === "max" ? "max" : duration(given));

const options = {
  name: parsed("-n, --name <NAME>", "New name", name),
  extend: parsed(
    "--extend <DURATION>",
    "Add this to its end: 30m, 1h30m, 2d; max: as much as its GPU type and the promises to others allow",
    extension,
  ),
  webhook: parsed(
    "--webhook <URL>",
    "Have the server post what happens to it here, with a new secret; none: nowhere",
    webhookOrNone,
  ),
  addUser: repeated(
    "--add-user <NAME>",
    "Share it with a user of the server, else with GitHub's user of that name (surely so: github:NAME); repeatable",
    collaborator,
  ),
  removeUser: repeated("--remove-user <NAME>", "Share it with them no longer; repeatable", collaborator),
};
type Given = Values<typeof options>;

export const command = defineCommand({
  arguments: [reservationArgument()],
  options,
  details:
    "Who it is shared with sees it in list and show and comes in by connect, with a token and keys of their own, and changes nothing. Of a GitHub user the published ssh keys are taken over, as they are now; adding again takes them anew. They open the pod's ssh server; the tunnel to it needs an account on this server as well.",
  examples: [
    { line: "gpu-dev edit train --extend 2h", meaning: "Two more hours, within the maximum of its GPU type" },
    { line: "gpu-dev edit train --extend max", meaning: "As long as nobody who waits starts later for it" },
    { line: "gpu-dev edit train --name eval", meaning: "Another name" },
    {
      line: "gpu-dev edit train --webhook https://ci.example.org/gpu-dev",
      meaning: "CI is told what happens to it from now on",
    },
    { line: "gpu-dev edit train --add-user bob", meaning: "bob can connect to it, within seconds" },
    {
      line: "gpu-dev edit train --remove-user bob",
      meaning: "bob is out: his tunnels are closed, his keys are gone",
    },
  ],
  async run([word], given, ctx): Promise<Output> {
    const body = bodyOf(given);
    const found = await findReservation(ctx.api(), await wordOrAsked(ctx, word, isOwn));
    const changed = await ctx.api().patchReservation({
      params: { id: found.id },
      body,
    });
    await refreshSshFiles(ctx);
    ctx.say(`Changed ${label(changed)}`);
    return describe(changed, ctx.clock.now());
  },
});

function bodyOf({ name, extend, webhook, addUser, removeUser }: Given): PatchReservation {
  const changes = [name, extend, webhook].some((value) => value !== undefined);
  const shares = addUser !== undefined || removeUser !== undefined;
  if (!changes && !shares)
    throw new UsageError("Nothing to change: give --name, --extend, --webhook, --add-user or --remove-user");
  if (changes && shares)
    throw new UsageError(
      "--add-user and --remove-user do not go with --name, --extend and --webhook: all of a change is done, or nothing",
      "Type two commands.",
    );
  return {
    ...(name === undefined ? {} : { name }),
    ...(extend === "max" ? { extend_max: true as const } : {}),
    ...(typeof extend === "number" ? { extend_s: extend } : {}),
    ...(webhook === undefined ? {} : { webhook: webhook === "none" ? null : webhook }),
    ...(addUser === undefined ? {} : { add_users: [...addUser] }),
    ...(removeUser === undefined ? {} : { remove_users: [...removeUser] }),
  };
}
