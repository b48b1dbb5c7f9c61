/** Images that were pulled for users: when they go, and what stays; on an engine with a registry. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { DEFAULT_RULES, Images } from "../../src/drivers/docker/images.ts";
import type { EngineInfo } from "../../src/drivers/docker/share.ts";
import { LaunchRefused } from "../../src/drivers/driver.ts";
import type { ImagesRig } from "./images-rig.ts";
import { temporaryDirectory } from "./ssh.ts";

const WEEK_S = 7 * 86_400;
const [LONG_AGO, LATER, TODAY] = ["2026-01-05", "2026-01-06", "2026-01-20"] as const;

/** From now on it is that day, until the end of the test. */
function on(day: string): void {
  vi.useFakeTimers({ toFake: ["Date"], now: new Date(`${day}T12:00:00Z`) });
  onTestFinished(() => void vi.useRealTimers());
}

/** The rig is there when a test runs. */
export function pulledContract(rig: () => ImagesRig): void {
  const docker = (...words: string[]) => rig().engine.docker(...words);
  const idOf = (ref: string) => docker("image", "inspect", "--format", "{{.Id}}", ref);
  const isThere = async (ref: string) => (await docker("images", "--quiet", ref)) !== "";

  /** An image with a layer of its own that the registry has, and the engine has not. */
  async function pushed(tag: string, content = tag): Promise<string> {
    const name = `${rig().open.host}/team/pulled:${tag}`;
    const container = await docker("create", await rig().engine.image("busybox"));
    await docker("cp", import.meta.filename, `${container}:/${content}`);
    const dir = await temporaryDirectory();
    await docker("export", "--output", join(dir, "tar"), container);
    await docker("import", join(dir, "tar"), name);
    await rm(dir, { recursive: true });
    await docker("push", name);
    await docker("rm", container);
    await docker("rmi", name);
    return name;
  }

  async function marksOf(ref: string): Promise<string[]> {
    const tags: string[] = JSON.parse(
      await docker("image", "inspect", "--format", "{{json .RepoTags}}", ref),
    );
    return tags.filter((tag) => tag.includes(`${rig().names.of("pulled")}:`));
  }
  /** The days on which it was asked for last. */
  const daysOf = async (ref: string) => (await marksOf(ref)).map((mark) => mark.slice(-TODAY.length));

  /** What the driver does with images, without pods, on a host with so much room; `ask` gives the image's id. */
  async function host(room = () => 2 ** 50) {
    const engine = await rig().client();
    const machine = () => engine.ask<EngineInfo>("GET", "/info");
    const box = { node: "box", engine, machine, room: async () => room() };
    const pull = { ...DEFAULT_RULES.pull, keepS: WEEK_S, patienceS: 0, known: new Set([rig().open.host]) };
    const images = new Images(rig().names, "none", { ...DEFAULT_RULES, pull });
    const preparing = { say: () => undefined, note: () => undefined, signal: new AbortController().signal };
    return {
      ask: async (ref: string) => (await images.imageFor(box, { image: { ref } }, preparing)).id,
      sweep: () => images.pulledOn([engine]).removeUnused(),
    };
  }

  test("one goes when nobody has asked for it for long, and no container has it", async () => {
    const { ask, sweep } = await host();
    const ref = await pushed("unused");
    on(LONG_AGO);
    const id = await ask(ref);
    expect(await daysOf(ref)).toEqual([LONG_AGO]);
    on(TODAY);
    const container = await docker("create", ref, "true");
    await sweep();
    expect(await isThere(ref)).toBe(true);
    await docker("rm", container);
    await ask(ref);
    await ask(ref);
    expect(await daysOf(ref)).toEqual([TODAY]);
    await sweep();
    expect(await isThere(ref)).toBe(true);
    on("2026-01-28");
    await sweep();
    await expect(idOf(id)).rejects.toThrow(/no such image/i);
  });

  test("what the operator had before stays, and so does what he gave a name of his own", async () => {
    const { ask, sweep } = await host();
    const [own, shared] = [await pushed("own"), await pushed("shared")];
    await docker("pull", own);
    on(LONG_AGO);
    for (const ref of [own, shared]) await ask(ref);
    expect(await daysOf(own)).toEqual([]);
    await docker("tag", shared, "mine:1");
    on(TODAY);
    await sweep();
    expect(await Promise.all([own, shared, "mine:1"].map(isThere))).toEqual([true, false, true]);
    await docker("rmi", own, "mine:1");
  });

  test("where a tag has moved on the image of before goes, with its digest, and so does what was asked for by its digest", async () => {
    const { ask, sweep } = await host();
    const ref = await pushed("moved");
    on(LONG_AGO);
    const before = await ask(ref);
    await docker("tag", before, "aside:1");
    await pushed("moved", "later");
    const digest = await rig().open.digest("team/pulled", "moved");
    // The engine has it as it was, until somebody asks for it.
    await docker("tag", "aside:1", ref);
    await docker("rmi", "aside:1");
    on(TODAY);
    const after = await ask(ref);
    expect(after).not.toBe(before);
    await sweep();
    await expect(idOf(before)).rejects.toThrow(/no such image/i);
    expect(await daysOf(ref)).toEqual([TODAY]);
    await docker("rmi", ref, ...(await marksOf(ref)));
    on(LONG_AGO);
    expect(await ask(`${rig().open.host}/team/pulled@${digest}`)).toBe(after);
    on(TODAY);
    await sweep();
    await expect(idOf(after)).rejects.toThrow(/no such image/i);
  });

  test("they make room, the oldest first, where too little is free for what somebody asks for now", async () => {
    const [oldest, older, newer] = [await pushed("oldest"), await pushed("older"), await pushed("newer")];
    const { ask } = await host();
    on(LONG_AGO);
    await ask(oldest);
    on(LATER);
    await ask(older);
    on(TODAY);
    const free = [0, 2 ** 50];
    const tight = await host(() => free.shift() ?? 0);
    await tight.ask(newer);
    expect(await Promise.all([oldest, older].map(isThere))).toEqual([false, true]);
    const full = await host(() => 0);
    await expect(full.ask(await pushed("newest"))).rejects.toThrow(LaunchRefused);
    expect(await Promise.all([older, newer].map(isThere))).toEqual([false, true]);
  });

  test("by its mark nobody has an image", async () => {
    const { ask } = await host();
    const ref = await pushed("marked");
    await ask(ref);
    const [mark = ""] = await marksOf(ref);
    await docker("rmi", ref);
    await expect(ask(mark)).rejects.toThrow(LaunchRefused);
    await docker("rmi", mark);
  });
}
