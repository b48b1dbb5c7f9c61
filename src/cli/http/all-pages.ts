/** Whole lists, which the server gives in pages. */
import type { Page } from "../../api/schemas.ts";

interface PageOf {
  readonly limit: string;
  readonly cursor?: string;
}

/** All items, as one page; `ask` is told which one to get. */
export async function allPages<T>(ask: (query: PageOf) => Promise<Page<T>>): Promise<Page<T>> {
  const items: T[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await ask({ limit: "500", ...(cursor === undefined ? {} : { cursor }) });
    items.push(...page.items);
    cursor = page.next_cursor;
  }
  return { items, next_cursor: null };
}
