/** What the operator states of this machine beside what it reports: types without GPUs, and GPUs that are cut into slices. */
import type { Cut, NodeCapacity, StatedTypes } from "../driver.ts";

export const NOTHING_STATED: StatedTypes = { withoutGpus: [], cuts: [] };

/** The offers with their cut GPUs as slices: none of them is offered whole as well. */
export function cutOffers(offers: readonly NodeCapacity[], cuts: readonly Cut[]): NodeCapacity[] {
  return offers.flatMap((offer) => {
    const here = cuts.filter((cut) => cut.node === offer.node && cut.of === offer.gpuType);
    if (here.length === 0) return [offer];
    const gone = new Set(here.flatMap((cut) => cut.gpus));
    const whole = range(offer.places).filter((i) => !gone.has(i));
    const slices = here.map((cut) => slicesOf(offer, cut));
    return [withIndices(offer, whole), ...slices].filter((o) => o.places > 0);
  });
}

function slicesOf(offer: NodeCapacity, { gpuType, of, perGpu, gpus }: Cut): NodeCapacity {
  const indices = gpus
    .filter((gpu) => gpu < offer.places)
    .toSorted((a, b) => a - b)
    .flatMap((gpu) => range(perGpu).map((i) => gpu * perGpu + i));
  return { ...withIndices(offer, indices), gpuType, slice: { of, perGpu } };
}

const withIndices = (offer: NodeCapacity, indices: readonly number[]): NodeCapacity => ({
  ...offer,
  places: indices.length,
  indices,
});

/** What is stated and cannot be had here, in words: a GPU that is not there, a name that is taken. */
export function faultsOf(offers: readonly NodeCapacity[], stated: StatedTypes): string[] {
  const taken = [...stated.cuts, ...stated.withoutGpus]
    .filter((type) => offers.some((o) => o.gpuType === type.gpuType && o.gpusPerPlace === 1))
    .map((type) => `${type.gpuType} is a type of whole GPUs here`);
  const missing = stated.cuts.flatMap((cut) => {
    const offer = offers.find((o) => o.node === cut.node && o.gpuType === cut.of);
    return cut.gpus
      .filter((gpu) => gpu >= (offer?.places ?? 0))
      .map((gpu) => `${cut.node} has no ${cut.of} of index ${gpu} to cut`);
  });
  return [...new Set([...taken, ...missing])];
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
