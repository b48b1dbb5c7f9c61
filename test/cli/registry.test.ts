import { expect, test } from "vitest";
import { createWorld } from "./helpers/world.ts";

const PASSWORD = "a-password-of-nobody";
const answer = { host: "ghcr.io", username: "ann", created_at: "2026-01-01T12:00:00.000Z" };

function worldWith(given: Parameters<typeof createWorld>[0] = {}) {
  const sent: unknown[] = [];
  const world = createWorld({
    handlers: {
      setRegistry({ body }) {
        sent.push(body);
        return answer;
      },
    },
    ...given,
  });
  return { world, sent };
}

test("C-21 the password comes from a pipe, and is not printed", async () => {
  const { world, sent } = worldWith({ stdin: `${PASSWORD}\n` });
  const { code, stdout, stderr } = await world.gpuDev("registry login ghcr.io --username ann");
  expect([code, stdout, stderr]).toEqual([0, "", "Images of ghcr.io are had as ann from now on\n"]);
  expect(sent).toEqual([{ host: "ghcr.io", username: "ann", password: PASSWORD }]);
});

test("C-01 with --json it prints what the server answers, without the password", async () => {
  const { world } = worldWith({ stdin: PASSWORD });
  const { stdout } = await world.gpuDev("registry login ghcr.io --username ann --json");
  expect(JSON.parse(stdout)).toEqual(answer);
});

test.each([
  ["registry login ghcr.io", PASSWORD, "--username is missing"],
  ["registry login ghcr.io --username ann", "\n", "No password was given"],
  ["registry login https://ghcr.io --username ann", PASSWORD, "is no host of a registry"],
])("C-18 %s with %j on stdin is a usage error", async (line, stdin, words) => {
  const { world, sent } = worldWith({ stdin });
  const { code, stderr } = await world.gpuDev(line);
  expect([code, sent]).toEqual([2, []]);
  expect(stderr).toContain(words);
});
