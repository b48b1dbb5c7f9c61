/** Builds: a context that a user announces and sends in parts, from which the driver builds the image of a reservation that names it. */
import type { Build, CreateBuild } from "../../api/builds.ts";
import { Problem } from "../../api/errors.ts";
import * as store from "../../store/builds.ts";
import type { Tx } from "../../store/db.ts";
import type { BuildRow } from "../../store/image-tables.ts";
import { record } from "../audit/record.ts";
import type { Core, ImageSettings } from "../core.ts";
import { newId } from "../ids.ts";
import type { Caller } from "../people/access.ts";
import { bounded } from "../pods/pod.ts";
import { buildKey } from "./build-key.ts";
import { refuseBuilds, requireImages } from "./rules.ts";

const MAX_CONTEXTS = 20;

/** With nothing to be sent for what is here already, or built. Throws Problem impossible_request, not_allowed, invalid_input, over_quota. */
export async function announceBuild(core: Core, caller: Caller, input: CreateBuild): Promise<Build> {
  const images = requireImages(core);
  refuseBuilds(core);
  if (input.bytes > images.contextMaxBytes) throw tooLarge(images);
  const built = await isBuilt(core, buildKey({ ...input, owner_id: caller.id }));
  return core.store.write(async (tx) => view(await announce(tx, images, caller, input, built)));
}

async function isBuilt({ driver }: Core, key: string): Promise<boolean> {
  const { builtImages } = driver;
  return builtImages !== undefined && (await bounded("images", builtImages.has(key)));
}

async function announce(
  tx: Tx,
  images: ImageSettings,
  caller: Caller,
  { digest, bytes, dockerfile }: CreateBuild,
  built: boolean,
): Promise<BuildRow> {
  const known = await store.findBuildOf(tx.db, { owner_id: caller.id, digest, dockerfile });
  const asked = { used_at: tx.at };
  if (known && known.bytes === bytes && (known.stored === 1 || built))
    return changed(known, await store.updateBuild(tx, known, asked));
  await requireRoom(tx, images, caller, bytes);
  const fresh = { ...asked, bytes, received: 0, stored: 1 } as const;
  if (known) return changed(known, await store.updateBuild(tx, known, fresh));
  const row = { id: newId(), owner_id: caller.id, digest, dockerfile, created_at: tx.at, ...fresh };
  const made = changed(row, (await store.insertBuild(tx, row)) ?? (await store.findBuildOf(tx.db, row)));
  await record(tx, caller.id, "build.create", made.id, digest);
  return made;
}

function changed(before: BuildRow, after: BuildRow | undefined): BuildRow {
  if (!after) throw movedOn(before);
  return after;
}

const movedOn = ({ id }: BuildRow): Problem =>
  new Problem("conflict", `build ${id} was changed at the same moment`, { hint: "try again" });

async function requireRoom(
  tx: Tx,
  { contextMaxBytes }: ImageSettings,
  caller: Caller,
  bytes: number,
): Promise<void> {
  const stored = await store.storedOf(tx.db, caller.id);
  if (stored.contexts < MAX_CONTEXTS && stored.bytes + bytes <= 2 * contextMaxBytes) return;
  throw new Problem("over_quota", "too much of yours waits to be built", {
    hint: "what is not needed any more goes within ten minutes; then try again",
  });
}

/** Throws Problem not_found. */
export const getBuild = (core: Core, caller: Caller, id: string): Promise<Build> =>
  core.store.read(async (db) => view(requireOwn(await store.findBuild(db, id), caller, id)));

/** The part of the context's tar file at `offset`; the last one is taken when the whole is what was announced. Throws Problem not_found, conflict, invalid_input. */
export async function receiveContext(
  core: Core,
  caller: Caller,
  id: string,
  offset: number,
  part: Uint8Array,
): Promise<Build> {
  const { contexts } = requireImages(core);
  const row = await core.store.read(async (db) => requireOwn(await store.findBuild(db, id), caller, id));
  const end = offset + part.byteLength;
  // Sent again, because its answer was lost.
  if (end <= row.received) return view(row);
  if (row.stored === 0) throw unannounced(row);
  if (offset !== row.received)
    throw new Problem("conflict", `the next part begins at ${row.received}, not at ${offset}`);
  if (end > row.bytes)
    throw invalid(`the context has ${row.bytes} bytes, as it was announced, and this part ends at ${end}`);
  if (!(await contexts.write(id, offset, part))) throw await forgotten(core, row);
  const fault = end === row.bytes ? await contexts.accept(id, row.digest) : undefined;
  const after = await core.store.write(async (tx) =>
    fault === undefined ? await receive(tx, caller, row, end) : await store.deleteBuild(tx, id),
  );
  if (after) return view(after);
  await contexts.remove(id);
  throw invalid(`the context cannot be used: ${fault}`);
}

/** What had come was taken away meanwhile, since nobody had sent more for long. */
async function forgotten(core: Core, row: BuildRow): Promise<Problem> {
  await core.store.write((tx) => store.updateBuild(tx, row, { stored: 0 }));
  return unannounced(row);
}

const unannounced = ({ id }: BuildRow): Problem =>
  new Problem("conflict", `build ${id} is to be announced again before it is sent`, { hint: "try again" });

async function receive(tx: Tx, caller: Caller, row: BuildRow, received: number): Promise<BuildRow> {
  const after = changed(row, await store.updateBuild(tx, row, { received, used_at: tx.at }));
  if (received === row.bytes) await record(tx, caller.id, "build.receive", row.id, row.digest);
  return after;
}

/** In the transaction that makes a reservation name it. Throws Problem not_found, not_ready. */
export async function takeBuild(tx: Tx, caller: Caller, id: string): Promise<void> {
  const row = requireOwn(await store.findBuild(tx.db, id), caller, id);
  if (row.received < row.bytes)
    throw new Problem(
      "not_ready",
      `of the context of build ${id} ${row.received} of ${row.bytes} bytes are here`,
    );
  changed(row, await store.updateBuild(tx, row, { used_at: tx.at }));
}

function requireOwn(row: BuildRow | undefined, caller: Caller, id: string): BuildRow {
  if (row?.owner_id !== caller.id) throw unknownBuild(id);
  return row;
}

export const unknownBuild = (id: string): Problem => new Problem("not_found", `you have no build ${id}`);

const tooLarge = ({ contextMaxBytes }: ImageSettings): Problem =>
  invalid(`the context is larger than ${Math.floor(contextMaxBytes / 2 ** 20)} MiB, which is the most here`, {
    field: "bytes",
    hint: "name what is not needed in a file .dockerignore",
  });

const invalid = (detail: string, { field, hint }: { field?: string; hint?: string } = {}): Problem =>
  new Problem("invalid_input", detail, {
    hint,
    ...(field === undefined ? {} : { errors: [{ field, code: "invalid", detail }] }),
  });

const view = ({ id, digest, dockerfile, bytes, received, created_at }: BuildRow): Build => ({
  ...{ id, digest, dockerfile, bytes, received, created_at },
});
