// The catalogue over HTTP: what is refused, and how it is read page by page.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../support/millrace.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const put = (route, body) => server.fetch(route, { method: 'PUT', body: JSON.stringify(body) });

test('an item with an unreadable price is refused, with its place, and nothing of its body is kept', async () => {
  for (const [route, body, where] of [
    ['/v1/items', [{ id: 'ok-1', price: '1.50' }, { id: 'bad-1', price: '12,50' }], '[1].price'],
    ['/v1/items', { id: 'bad-2', price: 'cheap' }, '[0].price'],
    ['/v1/items/bad-3', { price: { amount: 3 } }, 'price'],
    ['/v1/items/bad-4', { price: true }, 'price'],
    ['/v1/items/bad-5', { price: 1e300 }, 'price'],
  ]) {
    const answer = await put(route, body);
    assert.equal(answer.status, 400, JSON.stringify(body));
    const { code, message } = await answer.json();
    assert.equal(code, 'invalid');
    assert.ok(message.startsWith(`${where}: `), message);
  }
  assert.match((await (await put('/v1/items/bad-6', { price: '12,50' })).json()).message, /a point before the decimals/);
  for (const price of ['19.95', 19.95, '', null]) assert.equal((await put('/v1/items/fine', { price })).status, 200, String(price));
  assert.equal((await put('/v1/users/u1', { price: 'only items have one' })).status, 200);
  await server.drained();
  assert.deepEqual(await server.sql("SELECT count(*) FROM items WHERE item_id LIKE 'bad-%' OR item_id = 'ok-1'"), [[0]]);
});

test('items too large for one answer come in several, and none is left out', { timeout: 120_000 }, async () => {
  const ids = [];
  for (let body = 0; body < 4; body++) {
    const items = Array.from({ length: 3 }, (_, i) => ({ id: `large-${body}${i}`, category: 'Large', text: 'x'.repeat(3_000_000) }));
    ids.push(...items.map((item) => item.id));
    assert.equal((await put('/v1/items', items)).status, 200);
  }
  const end = Date.now() + 60_000;
  let known = 0;
  while (known < ids.length && Date.now() < end) [[known]] = await server.sql("SELECT count(*) FROM items WHERE category = 'Large'");
  const seen = [];
  let pages = 0;
  let cursor = null;
  do {
    const page = await server.json(`/v1/items?category=Large&n=100${cursor ? `&cursor=${cursor}` : ''}`);
    assert.ok(page.items.length > 0 || page.cursor === null);
    seen.push(...page.items.map((item) => item.id));
    cursor = page.cursor;
    pages++;
  } while (cursor !== null);
  assert.deepEqual(seen, ids);
  assert.ok(pages > 1, 'the test needs more than one answer may hold');
});

test('pages end where the items do', async () => {
  await put('/v1/items', Array.from({ length: 5 }, (_, i) => ({ id: `page-${i}`, category: 'Pages' })));
  await server.drained();
  const end = Date.now() + 10_000;
  let first;
  do first = await server.json('/v1/items?category=Pages&n=3');
  while (first.items.length < 3 && Date.now() < end);
  assert.equal(first.cursor, 'page-2');
  const second = await server.json(`/v1/items?category=Pages&n=3&cursor=${first.cursor}`);
  assert.deepEqual([second.items.map((i) => i.id), second.cursor], [['page-3', 'page-4'], null]);
});
