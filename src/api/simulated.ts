/** How simulated GPUs are written, on the command line and in the server's configuration file. */

const SIMULATED = /^([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?):(\d{1,4})(?:x(\d{1,2}))?$/;

export const SIMULATED_FORMS = "h100:8 (eight on this machine) or h100:8x4 (eight on each of four nodes)";

/** What TYPE:COUNT or TYPE:COUNTxNODES says; undefined for another form and for none. */
export function parseSimulated(text: string): { gpuType: string; count: number; nodes?: number } | undefined {
  const [, gpuType, count, nodes] = SIMULATED.exec(text) ?? [];
  if (gpuType === undefined || Number(count) < 1 || Number(nodes ?? 1) < 1) return undefined;
  return { gpuType, count: Number(count), ...(nodes === undefined ? {} : { nodes: Number(nodes) }) };
}
