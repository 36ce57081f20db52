/** People and items to choose from, out of the tables. */
import { post } from '../lib/http.ts';

const literal = (text: string): string => `'%${text.replaceAll("'", "''").replaceAll(/[%_\\]/g, '\\$&')}%'`;
const choicesMax = 24;

async function rows<T>(query: string): Promise<T[]> {
  const { body } = await post<{ rows: T[] }>('/v1/sql', { query });
  return body.rows;
}

/** Ids of items whose name or id holds the text; those that people did most with first. */
export const findItems = async (text: string): Promise<string[]> => {
  const wanted = text
    ? `WHERE i.name ILIKE ${literal(text)} ESCAPE '\\' OR i.item_id ILIKE ${literal(text)} ESCAPE '\\'`
    : '';
  const found = await rows<[string]>(`SELECT i.item_id FROM items i
    LEFT JOIN (SELECT item_id, sum(views + carts + purchases) AS met FROM item_popularity GROUP BY item_id) p USING (item_id)
    ${wanted} ORDER BY coalesce(p.met, 0) DESC, i.item_id LIMIT ${choicesMax}`);
  return found.map(([id]) => id);
};

export interface KnownVisitor {
  id: string;
  events: number;
}

/** People whose id holds the text; those who did something last first. */
export const findPeople = async (text: string): Promise<KnownVisitor[]> => {
  const wanted = text ? `AND visitor ILIKE ${literal(text)} ESCAPE '\\'` : '';
  const found = await rows<[string, number | string]>(`SELECT visitor, count(*) FROM events
    WHERE visitor IS NOT NULL ${wanted} GROUP BY visitor ORDER BY max(event_time) DESC, visitor LIMIT ${choicesMax}`);
  return found.map(([id, events]) => ({ id, events: Number(events) }));
};
