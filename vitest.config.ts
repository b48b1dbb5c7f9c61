import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/helpers/global-setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // A guard against hanging: polling waits for an event, and says nothing of how soon it should come.
    expect: { poll: { timeout: 20_000 } },
  },
});
