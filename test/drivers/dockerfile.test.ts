/** What is read of a Dockerfile before any engine sees it. */
import { describe, expect, test } from "vitest";
import { fullName } from "../../src/api/image-reference.ts";
import { refuseUnbounded } from "../../src/drivers/docker/build-guard.ts";
import { BuildSteps } from "../../src/drivers/docker/build-steps.ts";
import { readDockerfile } from "../../src/drivers/docker/dockerfile.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";

const imagesOf = (text: string): string[] => readDockerfile(text).images.map(fullName);

describe("a Dockerfile, read ahead", () => {
  test.each<[string, string, string[]]>([
    ["a stage", "FROM a", ["docker.io/library/a:latest"]],
    [
      "stages that begin with the same",
      "FROM a\nFROM docker.io/library/a:latest\nCOPY --from=a /x /y",
      ["docker.io/library/a:latest"],
    ],
    [
      "stages by their names and numbers",
      "from a AS One\nRUN x\nFROM one\nCOPY --from=0 /x /y\nCOPY --chown=1 --from=b/c:2 /x /y\nFROM scratch",
      ["docker.io/library/a:latest", "docker.io/b/c:2"],
    ],
    ["another platform", "FROM --platform=linux/amd64 a", ["docker.io/library/a:latest"]],
    ["arguments", `ARG A=10.0.0.1 B="x:2"\nFROM \${A}/$B\nARG A`, ["10.0.0.1/x:2"]],
    [
      "lines that go on",
      `# one\n  FROM \\\n\n # two\n h.example/a\\ \n@sha256:${"0".repeat(64)}`,
      [`h.example/a@sha256:${"0".repeat(64)}`],
    ],
    ["a last line that goes on", "FROM a\\", ["docker.io/library/a:latest"]],
    [
      "what only looks like a step",
      "FROM a\nRUN echo \\\n  ADD x y\n# ADD x y",
      ["docker.io/library/a:latest"],
    ],
  ])("has the images of %s", (_what, text, images) => expect(imagesOf(text)).toEqual(images));

  test.each<[string, RegExp]>([
    ["FROM a\nADD http://169.254.169.254/ /x", /use COPY/],
    ["FROM a\n  add --chown=0:0 x /x", /use COPY/],
    ["FROM a\nA\\\nDD x /x", /use COPY/],
    ["FROM a\nA\\\n# between\n\nDD x /x", /use COPY/],
    ["FROM a\nRUN x \\\\\nADD x /x", /two backslashes/],
    ["# escape=`\nFROM a\nRUN x `\nADD x /x", /escape character/],
    ["FROM a\nONBUILD ADD x /x", /ONBUILD/],
    ["FROM a\n\u00a0ADD x /x", /blanks/],
    ["FROM a\rADD x /x", /control/],
    ["FROM a\n\u0085ADD x /x", /control/],
    [`FROM \${X:-169.254.169.254}/a`, /write its name out/],
    ["FROM $X/a", /write its name out/],
    ["ARG X='a b'\nFROM $X", /write its name out/],
    ["ARG X=a\nARG X=$Y\nFROM $X", /write its name out/],
    ["ARG X=a\nARG 'X'=b\nFROM $X", /write its name out/],
    ['FROM "a"', /write its name out/],
    ["FROM a\nCOPY --from=$X /x /y", /write its name out/],
    ["FROM a\nCOPY --fr\\om=b /x /y", /without quotes/],
    ["FROM a\nCOPY --from=0x0 /x /y\nCOPY --from=b@c /x /y", /is no image/],
  ])(
    "X-08 what engines may read in another way, or do outside of the bounds, is refused: %j",
    (text, words) => {
      expect(() => readDockerfile(text)).toThrow(LaunchRefused);
      expect(() => readDockerfile(text)).toThrow(words);
    },
  );

  test("each stage begins with our label, which no other comes after, and the lines are still those of its writer", () => {
    const read = readDockerfile("FROM a\nlabel x=\\\n  y\nRUN x\nFROM \\\n b\nRUNS y");
    const labelled = read.labelled({ "gpu-dev.part": "built" }).split("\n");
    const label = "LABEL gpu-dev.part=built";
    expect(labelled).toEqual([
      ...["FROM a", label, "label x=\\", "  y", label, "RUN x"],
      ...["FROM \\", " b", label, "RUNS y"],
    ]);
    expect([1, 3, 4, 6, 7, 8, 10].map(read.lineOf)).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(read.ownSteps).toBe(3);
  });

  test.each(["Step 2/3 : ADD x /x", "step 2/3 : add x /x", "# Executing 1 build trigger"])(
    "X-08 what an engine tells of all the same ends the build: %j",
    (stream) => expect(() => refuseUnbounded({ stream })).toThrow(LaunchRefused),
  );

  test("L-11 what a step said last is told without the colours that an engine gives it", () => {
    const preparing = { say: () => undefined, note: () => undefined, signal: new AbortController().signal };
    const steps = new BuildSteps(preparing, "LABEL gpu-dev.builder=ann", 0);
    steps.add({ stream: "Step 1/1 : RUN x\n" });
    steps.add({ stream: "\u001b[91mx: not found\n\u001b[0m" });
    steps.add({ stream: "Removing intermediate container 0123456789ab\n" });
    expect(steps.told).toBe("\nx: not found");
  });

  test.each(["FROM b", "LABEL gpu-dev.part=mine"])(
    "X-08 a step that the engine alone has seen ends the build: %s",
    (step) => {
      const preparing = { say: () => undefined, note: () => undefined, signal: new AbortController().signal };
      const steps = new BuildSteps(preparing, "LABEL gpu-dev.builder=ann", 2);
      const add = (text: string) => steps.add({ stream: `Step 1/9 : ${text}\n` });
      add("FROM a");
      add("LABEL gpu-dev.builder=ann");
      add("RUN x");
      add(step);
      expect(() => add("LABEL gpu-dev.builder=bob")).toThrow(LaunchRefused);
    },
  );
});
