/**
 * The images that were pulled for users. Beside the name that it came by, each has a *mark*: a tag of ours that says what that name was
 * (hashes of its repository and of its tag or digest), which image it was then, and the day on which somebody had it last. So each host
 * knows by itself what may go. What the operator had before has no mark; what he gives another name keeps that.
 */
import { createHash } from "node:crypto";
import { type ImageReference, parseImageReference } from "../../api/image-reference.ts";
import { type Engine, unlessUsed } from "./engine.ts";
import type { Names } from "./names.ts";

const PULLED = "pulled";
const MARK = /^([0-9a-f]{12}\.[0-9a-f]{12})\.([0-9a-f]{12})\.(\d{4}-\d\d-\d\d)$/;

export interface Named {
  readonly Id: string;
  readonly RepoTags: readonly string[] | null;
  readonly RepoDigests: readonly string[] | null;
}

interface Mark {
  /** Of the image, as its engine lists it. */
  readonly name: string;
  /** What the image was pulled by. */
  readonly of: string;
  readonly day: string;
}

export class PulledImages {
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  /** Whether it is the name of a mark: nobody has an image by that. */
  isMark = ({ path }: ImageReference): boolean => path.split("/").at(-1) === this.#names.of(PULLED);

  /** Somebody has it now, as `found`, who asked for `image`; `before` is what the engine had by that name when he did. */
  async note(engine: Engine, image: ImageReference, found: Named, before: Named | undefined): Promise<void> {
    const of = hashes(image);
    const here = this.#marksOf(found).filter((mark) => mark.of === of);
    const isOurs = before === undefined || here.length > 0 || this.#marksOf(before).some((m) => m.of === of);
    const today = dayOf(Date.now());
    if (!isOurs || here.some(({ day }) => day === today)) return;
    const query = { repo: this.#names.of(PULLED), tag: `${of}.${short(found.Id)}.${today}` };
    await engine.ask("POST", `/images/${found.Id}/tag`, { query });
    for (const { name } of here) await unlessUsed(engine, `/images/${name}`);
  }

  /** Takes away what nobody has asked for in so many seconds, to the day, but for what a container has. Throws DriverError. */
  async removeUnused(engine: Engine, keepS: number): Promise<void> {
    for (const image of await this.#unused(engine, dayOf(Date.now() - keepS * 1000)))
      for (const mark of image.marks) await this.#remove(engine, image, mark);
  }

  /** Takes away what was asked for the longest ago, before today; false when there is no such thing. Throws DriverError. */
  async removeOldest(engine: Engine): Promise<boolean> {
    const all = await this.#unused(engine, dayOf(Date.now()));
    const marks = all.flatMap((image) => image.marks.map((mark) => ({ image, mark })));
    for (const { image, mark } of marks.sort((one, other) => (one.mark.day < other.mark.day ? -1 : 1))) {
      await this.#remove(engine, image, mark);
      // One that the engine keeps after all, because others are made of it, would be the oldest again.
      if (!(await engine.find(`/images/${mark.name}/json`))) return true;
    }
    return false;
  }

  /** Those with marks of before a day, and these marks; without those that a container has, be it one that does not run. */
  async #unused(engine: Engine, day: string): Promise<{ id: string; marks: Mark[] }[]> {
    const filters = JSON.stringify({ reference: [this.#names.of(PULLED)] });
    const marked = await engine.ask<Named[]>("GET", "/images/json", { query: { filters } });
    const old = marked
      .map((image) => ({ id: image.Id, marks: this.#marksOf(image).filter((mark) => mark.day < day) }))
      .filter(({ marks }) => marks.length > 0);
    if (old.length === 0) return [];
    const containers = await engine.ask<{ ImageID: string }[]>("GET", "/containers/json", {
      query: { all: "1" },
    });
    const used = new Set(containers.map(({ ImageID }) => ImageID));
    return old.filter(({ id }) => !used.has(id));
  }

  /** The mark goes last: what comes in between is gone on with by the next sweep. */
  async #remove(engine: Engine, { id }: { readonly id: string }, mark: Mark): Promise<void> {
    for (const namesOf of [tagsOf, digestsOf]) {
      const image = await engine.find<Named>(`/images/${id}/json`);
      for (const name of image ? namesOf(image, mark) : []) await unlessUsed(engine, `/images/${name}`);
    }
    await unlessUsed(engine, `/images/${mark.name}`);
  }

  #marksOf({ RepoTags }: Named): Mark[] {
    return (RepoTags ?? []).flatMap((name) => {
      const image = parseImageReference(name);
      const [, of, , day] = (image && this.isMark(image) && MARK.exec(image.tag ?? "")) || [];
      return of !== undefined && day !== undefined ? [{ name, of, day }] : [];
    });
  }
}

/** The tag by which the image was pulled, if that is still the image's. */
const tagsOf = ({ RepoTags }: Named, { of }: Mark): string[] =>
  (RepoTags ?? []).filter((name) => hashesOf(name) === of);

/** With the last tag of a repository, its digests there go, too. */
function digestsOf({ RepoTags, RepoDigests }: Named, { of }: Mark): string[] {
  const isThere = (name: string) => hashesOf(name)?.slice(0, HASH) === of.slice(0, HASH);
  return RepoTags?.some(isThere) ? [] : (RepoDigests ?? []).filter(isThere);
}

const HASH = 12;
const hash = (text: string): string => createHash("sha256").update(text).digest("hex").slice(0, HASH);

const hashes = ({ host, path, tag, digest }: ImageReference): string =>
  `${hash(`${host}/${path}`)}.${hash(digest ?? tag ?? "")}`;

function hashesOf(name: string): string | undefined {
  const image = parseImageReference(name);
  return image && hashes(image);
}

const short = (id: string): string => id.replace("sha256:", "").slice(0, HASH);

/** Days are those of UTC. */
const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10);
