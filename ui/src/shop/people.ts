import { post, recallJson, remember } from '../lib/http.ts';
import { inTurn } from '../lib/in_turn.ts';
import { uuid } from '../lib/uuid.ts';
import type { CartLine, Person } from './types.ts';

/** Who has shopped in this browser, kept there. */

const key = 'millrace-shop';
const recentMax = 5;

interface Kept {
  people: Person[];
  carts: Record<string, CartLine[]>;
}

const kept = (): Kept => recallJson<Kept>(key, { people: [], carts: {} });
const keep = (next: Kept) => remember(key, JSON.stringify(next));

/** Tell people apart: a customer by id, a visitor by the browser's id. */
export const idOf = (person: Person): string => person.userId ?? person.anonymousId;

/** Those who shopped here before, the last one first. */
export const recentPeople = (): Person[] => kept().people;

export function newVisitor(): Person {
  const id = uuid();
  return { anonymousId: id, sessionId: uuid(), label: `Visitor ${id.slice(0, 4)}` };
}

export function customer(userId: string): Person {
  return { userId, anonymousId: uuid(), sessionId: uuid(), label: userId };
}

/** Put a person first among the recent ones; forget the oldest, with their cart. */
export function use(person: Person): void {
  const { people, carts } = kept();
  const next = [person, ...people.filter((p) => idOf(p) !== idOf(person))].slice(0, recentMax);
  const theirs = next.map((p) => [idOf(p), carts[idOf(p)] ?? []] as const);
  keep({ people: next, carts: Object.fromEntries(theirs) });
}

export const cartOf = (person: Person): CartLine[] => kept().carts[idOf(person)] ?? [];

export function keepCart(person: Person, cart: CartLine[]): void {
  const now = kept();
  keep({ ...now, carts: { ...now.carts, [idOf(person)]: cart } });
}

export interface KnownPerson {
  userId: string;
  country: string | null;
  orders: number;
}

/** Customers with the most orders, from the warehouse: people whose history can be seen at work. */
export async function knownPeople(): Promise<KnownPerson[]> {
  const query =
    'SELECT user_id, max(country), count(DISTINCT order_id) AS orders FROM order_lines ' +
    'WHERE user_id IS NOT NULL GROUP BY user_id ORDER BY orders DESC, user_id LIMIT 5';
  const { body } = await inTurn(() => post<{ rows: [string, string | null, number | string][] }>('/v1/sql', { query }));
  return body.rows.map(([userId, country, orders]) => ({ userId, country, orders: Number(orders) }));
}
