/** What is made when it is needed, once for all who wait for it, and anew when it is too old (B-07). A failure is not kept. */
export function kept<T>(
  make: () => Promise<T>,
  maxAgeMs: number,
  now: () => number = () => performance.now(),
): () => Promise<T> {
  let last: { readonly at: number; readonly value: Promise<T> } | undefined;
  return () => {
    if (last && now() - last.at <= maxAgeMs) return last.value;
    const made = { at: now(), value: make() };
    last = made;
    made.value.catch(() => {
      if (last === made) last = undefined;
    });
    return made.value;
  };
}
