import { useCallback, useEffect, useState } from 'react';
import { call } from '../lib/http.ts';
import { inTurn } from '../lib/in_turn.ts';
import { type Item, type ItemPage, topOf } from './types.ts';

/** Items already seen on this page, by id. */
const known = new Map<string, Item>();
const knownMax = 5_000;

function learn(items: Item[]): Item[] {
  for (const item of items) {
    if (known.size >= knownMax) known.delete(known.keys().next().value!);
    known.set(item.id, item);
  }
  return items;
}

export const knownItem = (id: string): Item | undefined => known.get(id);

/** An item by id, asked for only once. Undefined when the catalogue does not have it. */
export async function itemById(id: string): Promise<Item | undefined> {
  if (known.has(id)) return known.get(id);
  try {
    return await inTurn(async () => {
      // Another may have asked for it while we waited.
      if (known.has(id)) return known.get(id);
      const { body } = await call<Item>(`/v1/items/${encodeURIComponent(id)}`);
      return learn([body])[0];
    });
  } catch {
    return undefined;
  }
}

const similarItems = 4;

/** What goes with an item, by the server's judgement. Rejects when it cannot be asked. */
export async function similarTo(id: string): Promise<Item[]> {
  const { body } = await call<{ items: { id: string }[] }>(
    `/v1/items/${encodeURIComponent(id)}/similar?n=${similarItems}`,
  );
  const items = await Promise.all(body.items.map((similar) => itemById(similar.id)));
  return items.filter((item) => item !== undefined);
}

export async function itemPage(category: string | undefined, n: number, cursor: string | null): Promise<ItemPage> {
  const query = new URLSearchParams({ n: String(n), ...(category ? { category } : {}), ...(cursor ? { cursor } : {}) });
  const { body } = await inTurn(() => call<ItemPage>(`/v1/items?${query}`));
  learn(body.items);
  return body;
}

const scanPages = 5;
const scanItems = 100;

let scanned: Promise<string[]> | undefined;

/** The top categories among the first few hundred items, by name. Asked for once, until there are some. */
export function topCategories(): Promise<string[]> {
  const forget = () => (scanned = undefined);
  scanned ??= scan();
  scanned.then((found) => found.length === 0 && forget(), forget);
  return scanned;
}

async function scan(): Promise<string[]> {
  const found = new Set<string>();
  let cursor: string | null = null;
  for (let page = 0; page < scanPages; page++) {
    const { items, cursor: next }: ItemPage = await itemPage(undefined, scanItems, cursor);
    for (const item of items) if (topOf(item)) found.add(topOf(item));
    cursor = next;
    if (!cursor) break;
  }
  return [...found].sort((a, b) => a.localeCompare(b));
}

export interface Shelf {
  items: Item[];
  state: 'loading' | 'ready' | 'failed';
  /** Fetch the next items; absent when all are here. */
  more?: () => void;
  reload: () => void;
}

const shelfItems = 24;

/** The items of a category (of all, when undefined), page by page. */
export function useShelf(category: string | undefined): Shelf {
  const [shelf, setShelf] = useState<{
    category: string | undefined;
    items: Item[];
    cursor: string | null;
    state: Shelf['state'];
  }>();
  const fetchPage = useCallback(
    async (before: Item[], cursor: string | null) => {
      try {
        const page = await itemPage(category, shelfItems, cursor);
        setShelf({ category, items: [...before, ...page.items], cursor: page.cursor, state: 'ready' });
      } catch {
        setShelf({ category, items: before, cursor, state: 'failed' });
      }
    },
    [category],
  );
  useEffect(() => void fetchPage([], null), [fetchPage]);

  const reload = () => void fetchPage([], null);
  if (!shelf || shelf.category !== category) return { items: [], state: 'loading', reload };
  const { items, cursor, state } = shelf;
  return { items, state, reload, ...(cursor ? { more: () => void fetchPage(items, cursor) } : {}) };
}
