import { beforeAll, describe, expect, it, vi } from 'vitest';
import { addedToCart, byCurrency, deviceOf, itemSeen, ordered, pageSeen, totalOf } from './messages.ts';
import type { Item } from './types.ts';

beforeAll(() => {
  vi.stubGlobal('navigator', { language: 'en', userAgent: 'test' });
  vi.stubGlobal('location', { origin: 'http://shop.test' });
});

const rake: Item = {
  id: 'P-1',
  attributes: { name: 'Rake', category: 'Garden/Tools', price: '12.5000', currency: 'EUR' },
};
const lamp: Item = { id: 'P-2', attributes: { name: 'Lamp', price: 3, currency: 'CHF' } };
const scene = {
  person: { anonymousId: 'a1', sessionId: 's1', label: 'Visitor' },
  path: '/shop/item/P-1',
  title: 'Rake',
};

describe('messages', () => {
  it('names the visitor, the session and the product', () => {
    const message = itemSeen(scene, rake);
    expect(message).toMatchObject({
      type: 'track',
      event: 'Product Viewed',
      anonymousId: 'a1',
      context: { sessionId: 's1', page: { path: '/shop/item/P-1' } },
      properties: { product_id: 'P-1', category: 'Garden/Tools', price: '12.5000' },
    });
    expect(message).not.toHaveProperty('userId');
  });

  it('names a known person and the recommendation that led there', () => {
    const message = addedToCart({ ...scene, person: { ...scene.person, userId: 'u1' }, recommendationId: 'r1' }, rake);
    expect(message).toMatchObject({ userId: 'u1', properties: { recommendation_id: 'r1', quantity: 1 } });
  });

  it('gives each message an id of its own', () => {
    expect(pageSeen(scene).messageId).not.toBe(pageSeen(scene).messageId);
  });

  it('orders with an exact total', () => {
    const order = ordered(scene, 'o1', 'EUR', [{ item: rake, quantity: 3 }]);
    expect(order.properties).toMatchObject({
      order_id: 'o1',
      currency: 'EUR',
      revenue: '37.5000',
      products: [{ product_id: 'P-1', quantity: 3 }],
    });
  });
});

describe('deviceOf', () => {
  it.each([
    ['Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36', 'desktop'],
    ['Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36', 'mobile'],
    ['Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Safari/537.36', 'tablet'],
    ['Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148 Safari/604.1', 'mobile'],
  ])('%s', (userAgent, device) => expect(deviceOf(userAgent)).toBe(device));
});

describe('totalOf', () => {
  it('never goes through a double', () => {
    expect(totalOf([{ price: '0.1', quantity: 3 }])).toBe('0.3000');
    expect(totalOf([{ price: '9007199254740993.0001', quantity: 1 }])).toBe('9007199254740993.0001');
    expect(totalOf([])).toBe('0.0000');
  });
});

describe('byCurrency', () => {
  it('keeps currencies apart and passes over what is gone', () => {
    const cart = [
      { id: 'P-1', quantity: 1 },
      { id: 'P-2', quantity: 2 },
      { id: 'gone', quantity: 1 },
    ];
    const groups = byCurrency(cart, (id) => [rake, lamp].find((item) => item.id === id));
    expect([...groups.keys()]).toEqual(['EUR', 'CHF']);
    expect(groups.get('CHF')).toEqual([{ item: lamp, quantity: 2 }]);
  });
});
