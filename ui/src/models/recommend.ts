/** What a served version recommends, and items to ask it with. */
import { call, post } from '../lib/http.ts';
import { apiOf } from './types.ts';

export interface NamedItem {
  id: string;
  /** Its id where nothing gave it a name. */
  name: string;
}

export interface Answer {
  items: (NamedItem & { score: number })[];
  /** Those of the items met that the version does not know. */
  unknown: string[];
}

/** "a, b,,a" → a, b: in order, each once. */
export const idsOf = (text: string): string[] => [
  ...new Set(
    text
      .split(',')
      .map((id) => id.trim())
      .filter(Boolean),
  ),
];

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** The query for the names of items, out of the counts of what is popular. */
export const namesQuery = (ids: string[]): string =>
  `SELECT item_id, any_value(name) FROM item_popularity WHERE item_id IN (${ids.map(literal).join(', ')}) GROUP BY item_id`;

const popularQuery = `SELECT item_id, any_value(name) FROM item_popularity GROUP BY item_id
  ORDER BY sum(views + carts + purchases) DESC, item_id LIMIT 10`;

async function named(query: string): Promise<NamedItem[]> {
  const { body } = await post<{ rows: [string, string | null][] }>('/v1/sql', { query });
  return body.rows.map(([id, name]) => ({ id, name: name || id }));
}

/** Some items that many people met. */
export const popularItems = (): Promise<NamedItem[]> => named(popularQuery);

/** Ask the served version. Names that cannot be had are ids. Rejects with CallError. */
export async function recommend(model: string, met: string[]): Promise<Answer> {
  const query = new URLSearchParams({ items: met.join(','), n: '10' });
  const { body } = await call<{ items: { id: string; score: number }[]; unknown: string[] }>(
    `${apiOf(model)}/recommendations?${query}`,
  );
  const ids = body.items.map(({ id }) => id);
  const names = ids.length > 0 ? await named(namesQuery(ids)).catch(() => []) : [];
  const nameOf = new Map(names.map(({ id, name }) => [id, name]));
  return {
    unknown: body.unknown,
    items: body.items.map((item) => ({ ...item, name: nameOf.get(item.id) ?? item.id })),
  };
}
