import { money } from '../lib/format.ts';
import type { Item } from './types.ts';

/** What an item costs, in its currency; nothing when the catalogue does not say. */
export function Price({ item }: { item: Item }) {
  const { price, currency } = item.attributes;
  if (price === undefined || price === '') return null;
  return <span className="figures">{money(String(price), currency ?? '')}</span>;
}
