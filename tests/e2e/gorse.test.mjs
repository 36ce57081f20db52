// Gorse's API with odd inputs, and its keys.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, eventually, temporaryDir } from '../support/millrace.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const status = async (route, options) => (await server.fetch(route, options)).status;
const row = (i, more = {}) => ({ FeedbackType: 'view', UserId: `u${i}`, ItemId: `i${i % 100}`, Timestamp: '2026-02-01T09:00:00Z', ...more });

test('ten thousand rows of feedback are taken at once, and once', async () => {
  const rows = Array.from({ length: 10_000 }, (_, i) => row(i));
  for (let again = 0; again < 2; again++)
    assert.deepEqual(await (await server.post('/api/feedback', rows)).json(), { RowAffected: 10_000 });
  const books = await server.drained();
  assert.equal(books.balanced, true);
  assert.deepEqual(await server.sql("SELECT count(*) FROM events WHERE type = 'item_view'"), [[10_000]]);
});

test('PUT takes the place of what the tables have, POST does not', async () => {
  const value = async () => {
    await server.drained();
    return (await server.json('/api/feedback/rating/put/x')).Value;
  };
  const rated = (Value) => [row(0, { FeedbackType: 'rating', UserId: 'put', ItemId: 'x', Value })];
  await server.post('/api/feedback', rated(2));
  assert.equal(await value(), 2);
  await server.post('/api/feedback', rated(3));
  assert.equal(await value(), 2);
  await server.fetch('/api/feedback', { method: 'PUT', body: JSON.stringify(rated(4)) });
  assert.equal(await value(), 4);
  assert.deepEqual(await server.sql("SELECT count(*) FROM events WHERE user_id = 'put'"), [[1]]);
});

test('what cannot be read is refused whole, with its place, as plain text', async () => {
  for (const [body, says] of [
    ['nonsense', /not JSON/],
    ['['.repeat(100_000), /not JSON/],
    ['{}', /a list/],
    [JSON.stringify([row(1), 7]), /^\[1\]: not an object/],
    [JSON.stringify([row(1, { UserId: '' })]), /UserId/],
    [JSON.stringify([row(1, { ItemId: 'a\0b' })]), /ItemId.*NUL/],
    [JSON.stringify([row(1, { ItemId: 'x'.repeat(513) })]), /ItemId.*512/],
    [JSON.stringify([row(1, { Timestamp: 'yesterday' })]), /Timestamp/],
    [JSON.stringify([row(1, { Value: 'much' })]), /Value/],
    [JSON.stringify([row(1, { FeedbackType: 'rating', Value: 9 })]), /from 1 to 5/],
  ]) {
    const answer = await server.post('/api/feedback', body);
    assert.equal(answer.status, 400, body.slice(0, 80));
    assert.match(answer.headers.get('content-type'), /^text\/plain/);
    assert.match(await answer.text(), says);
  }
  assert.equal((await server.post('/api/feedback', 'x'.repeat(17 << 20)).catch(() => ({ status: 413 }))).status, 413);
  assert.deepEqual(await (await server.post('/api/feedback', [])).json(), { RowAffected: 0 });
  for (const item of [{}, { ItemId: 5 }, { ItemId: 'a', Categories: 'b' }, { ItemId: 'a', Categories: [1] }, { ItemId: 'a', Timestamp: 'x' }, { ItemId: 'a', Labels: 3 }])
    assert.equal((await server.post('/api/item', item)).status, 400, JSON.stringify(item));
});

test('lists end where they may, whatever is asked', async () => {
  await server.post('/api/items', Array.from({ length: 700 }, (_, i) => ({ ItemId: `p${i}`, Categories: ['a,"b"'] })));
  await server.drained();
  const ids = (query) => server.json(`/api/recommend/nobody${query}`);
  await eventually('the items', async () => assert.equal((await ids('?n=1000000000')).length, 500));
  const all = await ids('?n=500');
  assert.equal(new Set(all).size, 500);
  assert.equal((await ids('')).length, 10);
  assert.deepEqual(await ids('?n=0'), []);
  assert.deepEqual(await ids('?n=5&offset=1000000'), []);
  assert.equal((await ids('?n=50&offset=490')).length, 10);
  for (const query of ['?n=-1', '?n=x', '?offset=-1', '?n=99999999999999999999']) assert.equal(await status(`/api/recommend/nobody${query}`), 400, query);
  assert.equal((await ids(`/${encodeURIComponent('a,"b"')}?n=3`)).length, 3);
  assert.deepEqual(await ids('/nothing'), []);
  assert.equal(await status('/api/recommend/nobody/%01'), 400);
  const scores = await (await server.fetch('/api/recommend/nobody?n=2', { headers: { 'x-api-version': '2' } })).json();
  assert.deepEqual(Object.keys(scores[0]).sort(), ['Id', 'Score']);
  assert.deepEqual(await server.json('/api/item/unheard-of/neighbors'), []);
});

test('ids with slashes and quotes come back; NUL does not get in', async () => {
  const id = `a/b'c"d;e`;
  assert.equal((await server.post('/api/item', { ItemId: id, Labels: { brand: 'Acme', price: '9.90' } })).status, 200);
  const item = await eventually('the item', () => server.json(`/api/item/${encodeURIComponent(id)}`));
  assert.deepEqual([item.ItemId, item.Labels], [id, { brand: 'Acme', price: '9.90' }]);
  await eventually('the filter', async () => {
    const found = await server.json(`/v1/recommendations?filter=${encodeURIComponent('brand:Acme,price<10')}`);
    assert.deepEqual(found.items.map((i) => i.id), [id]);
  });
  for (const method of ['GET', 'DELETE']) assert.ok([400, 404].includes(await status('/api/item/a%00b', { method })));
  assert.deepEqual(await server.json(`/api/user/${encodeURIComponent(id)}/feedback`), []);
});

test('one key reads and writes; a write key only writes', async () => {
  const data = await temporaryDir();
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), 'auth: {token: "0123456789abcdef0123456789abcdef"}\ncollect: {write_keys: {shop: wk-1}}\n');
  const guarded = await Server.start({ data, args: ['--project', project] });
  try {
    const ask = async (key, method, route, body) =>
      (await guarded.fetch(route, { method, headers: key ? { 'x-api-key': key } : {}, body })).status;
    const token = '0123456789abcdef0123456789abcdef';
    const body = JSON.stringify([row(1)]);
    for (const [key, read, write] of [[token, 200, 200], ['wk-1', 401, 200], ['other', 401, 401], ['', 401, 401]]) {
      assert.equal(await ask(key, 'GET', '/api/recommend/u'), read, `read with '${key}'`);
      assert.equal(await ask(key, 'POST', '/api/feedback', body), write, `write with '${key}'`);
    }
    assert.equal(await ask('', 'GET', '/api/health/live'), 200);
    assert.equal(await ask('', 'GET', '/api/health/ready'), 200);
  } finally {
    await guarded.stop();
  }
});
