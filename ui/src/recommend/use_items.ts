import { useEffect, useState } from 'react';
import { itemById, knownItem } from '../shop/catalogue.ts';
import type { Item } from '../shop/types.ts';

/** Items by id, as they come; one that the catalogue does not have is its id alone. */
export function useItems(ids: string[]): Map<string, Item> {
  const [, setTurn] = useState(0);
  const key = ids.join('\n');
  useEffect(() => {
    let current = true;
    const missing = key.split('\n').filter((id) => id && !knownItem(id));
    void Promise.all(missing.map(itemById)).then(() => current && setTurn((turn) => turn + 1));
    return () => void (current = false);
  }, [key]);
  return new Map(ids.map((id) => [id, knownItem(id) ?? { id, attributes: {} }]));
}
