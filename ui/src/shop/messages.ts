import { uuid } from '../lib/uuid.ts';
import type { CartLine, Item, Person } from './types.ts';

/** What the shop tells the collector: messages of the Segment family, one for each thing a person does. */
export type Message = Record<string, unknown> & { messageId: string; type: string };

/** Where and when something is done, and the recommendation that led there, if one did. */
export interface Scene {
  person: Person;
  path: string;
  title: string;
  recommendationId?: string;
}

/** Read what a browser says it runs on: "desktop", "mobile" or "tablet". */
export function deviceOf(userAgent: string): string {
  if (/iPad|Tablet|Android(?!.*Mobile)/.test(userAgent)) return 'tablet';
  return /Mobi/.test(userAgent) ? 'mobile' : 'desktop';
}

function envelope({ person, path, title }: Scene, now: Date) {
  return {
    messageId: uuid(),
    anonymousId: person.anonymousId,
    ...(person.userId ? { userId: person.userId } : {}),
    timestamp: now.toISOString(),
    context: {
      sessionId: person.sessionId,
      locale: navigator.language,
      userAgent: navigator.userAgent,
      device: { type: deviceOf(navigator.userAgent) },
      page: { path, url: location.origin + path, title },
      library: { name: 'millrace-example-shop', version: '1' },
    },
  };
}

const track = (event: string, scene: Scene, properties: Record<string, unknown>, now = new Date()): Message => ({
  type: 'track',
  event,
  ...envelope(scene, now),
  properties: {
    ...properties,
    session_id: scene.person.sessionId,
    ...(scene.recommendationId ? { recommendation_id: scene.recommendationId } : {}),
  },
});

/** A product as the Segment commerce events write it. */
function product(item: Item, quantity?: number) {
  const { name, category, price, currency } = item.attributes;
  return { product_id: item.id, name, category, price, currency, ...(quantity === undefined ? {} : { quantity }) };
}

export const pageSeen = (scene: Scene, now = new Date()): Message => ({
  type: 'page',
  name: scene.title,
  ...envelope(scene, now),
  properties: {
    path: scene.path,
    title: scene.title,
    url: location.origin + scene.path,
    session_id: scene.person.sessionId,
  },
});

export const listSeen = (scene: Scene, list: string, items: Item[]): Message =>
  track('Product List Viewed', scene, {
    list_id: list,
    category: list,
    products: items.map((item, i) => ({ ...product(item), position: i + 1 })),
  });

export const itemSeen = (scene: Scene, item: Item): Message => track('Product Viewed', scene, product(item));
export const addedToCart = (scene: Scene, item: Item): Message => track('Product Added', scene, product(item, 1));
export const removedFromCart = (scene: Scene, item: Item, quantity: number): Message =>
  track('Product Removed', scene, product(item, quantity));

/** One order of everything in the cart that costs the same currency; the caller makes one for each. */
export function ordered(
  scene: Scene,
  orderId: string,
  currency: string,
  lines: { item: Item; quantity: number }[],
): Message {
  const total = totalOf(lines.map(({ item, quantity }) => ({ price: item.attributes.price, quantity })));
  return track('Order Completed', scene, {
    order_id: orderId,
    currency,
    total,
    revenue: total,
    products: lines.map(({ item, quantity }) => product(item, quantity)),
  });
}

/** Sum price × quantity exactly, in ten-thousandths, and write it as a decimal: "12.5000" × 2 → "25.0000". */
export function totalOf(lines: { price: string | number | undefined; quantity: number }[]): string {
  const units = lines.reduce((sum, { price, quantity }) => sum + unitsOf(String(price ?? 0)) * BigInt(quantity), 0n);
  const digits = units.toString().padStart(5, '0');
  return `${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

function unitsOf(price: string): bigint {
  const [whole = '0', fraction = ''] = price.split('.');
  return BigInt(whole || '0') * 10_000n + BigInt(fraction.padEnd(4, '0').slice(0, 4));
}

/** Put the cart's lines together by their currency: currencies are never added. */
export function byCurrency(
  cart: CartLine[],
  itemOf: (id: string) => Item | undefined,
): Map<string, { item: Item; quantity: number }[]> {
  const groups = new Map<string, { item: Item; quantity: number }[]>();
  for (const { id, quantity } of cart) {
    const item = itemOf(id);
    if (!item) continue;
    const currency = item.attributes.currency ?? '';
    groups.set(currency, [...(groups.get(currency) ?? []), { item, quantity }]);
  }
  return groups;
}
