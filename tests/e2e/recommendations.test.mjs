// From a click to a recommendation, over HTTP.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Server } from '../support/millrace.mjs';

let server;
before(async () => {
  server = await Server.start();
  const items = [];
  for (let i = 0; i < 30; i++) items.push({ id: `i${i}`, name: `Thing ${i}`, category: i % 2 ? 'A/B' : 'C', price: `${i + 1}.50`, currency: 'EUR' });
  await server.fetch('/v1/items', { method: 'PUT', body: JSON.stringify(items) });
  const batch = [];
  const send = (user, event, properties) =>
    batch.push({ type: 'track', event, messageId: `${user}-${event}-${batch.length}`, userId: user, timestamp: new Date().toISOString(), properties });
  for (let u = 0; u < 40; u++) {
    // Who looks at i2 looks at i3; everybody buys i7 now and then.
    send(`u${u}`, 'Product Viewed', { product_id: u % 2 ? 'i2' : 'i4' });
    send(`u${u}`, 'Product Viewed', { product_id: u % 2 ? 'i3' : 'i5' });
    if (u % 3 === 0) send(`u${u}`, 'Order Completed', { order_id: `o${u}`, currency: 'EUR', products: [{ product_id: 'i7', price: 8.5, quantity: 1 }] });
  }
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
  await server.drained();
});
after(() => server.stop());

const idsOf = (answer) => answer.items.map((i) => i.id);

async function eventually(check, ms = 5000) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((r) => setTimeout(r, 10));
    }
  }
}

test('an unknown person gets what is popular, with a reason', async () => {
  const answer = await eventually(async () => {
    const a = await server.json('/v1/recommendations?user=nobody&n=5');
    assert.equal(a.items.length, 5);
    return a;
  });
  assert.ok(idsOf(answer).includes('i7'));
  assert.equal(answer.fallback, 'cold');
  assert.ok(answer.recommendation_id);
  assert.match(answer.model, /@/);
  for (const item of answer.items) assert.ok(item.reason.code && item.reason.text && item.source);
});

test('a click changes the next answer', async () => {
  const before = await server.json('/v1/recommendations?user=clicker&n=5');
  await server.post('/v1/track', { type: 'track', event: 'Product Viewed', messageId: 'click-1', userId: 'clicker', properties: { product_id: 'i2' } });
  const after = await eventually(async () => {
    const a = await server.json('/v1/recommendations?user=clicker&n=5');
    assert.equal(idsOf(a)[0], 'i3');
    return a;
  });
  assert.notDeepEqual(idsOf(before), idsOf(after));
  assert.ok(after.items[0].reason.because.includes('i2'));
});

test('what was bought is not offered again', async () => {
  const answer = await server.json('/v1/recommendations?user=u0&n=20');
  assert.ok(!idsOf(answer).includes('i7'));
});

test('exclude, filter, similar and pages', async () => {
  const excluded = await server.json('/v1/recommendations?user=nobody&n=5&exclude=i7');
  assert.ok(!idsOf(excluded).includes('i7'));
  const filtered = await server.json('/v1/recommendations?user=nobody&n=5&filter=category:A/B');
  for (const id of idsOf(filtered)) assert.equal(Number(id.slice(1)) % 2, 1, id);
  const similar = await server.json('/v1/items/i2/similar?n=3');
  assert.equal(similar.items[0].id, 'i3');
  const first = await server.json('/v1/recommendations?user=nobody&n=3');
  const second = await server.json(`/v1/recommendations?user=nobody&n=3&cursor=${encodeURIComponent(first.cursor)}`);
  assert.deepEqual(idsOf(first).filter((id) => idsOf(second).includes(id)), []);
  assert.equal((await server.fetch('/v1/recommendations?n=many')).status, 400);
});

test('filters on any attribute and on what the person did', async () => {
  const things = [
    { id: 'f1', name: 'Drill', category: 'F', brand: 'Acme', stock: 3, tags: ['new', 'a, b'] },
    { id: 'f2', name: 'Saw', category: 'F', brand: 'Bosch', stock: 0 },
    { id: 'f3', name: 'File', category: 'F', brand: 'Bosch', stock: 5, weight: 0.5 },
  ];
  assert.equal((await server.fetch('/v1/items', { method: 'PUT', body: JSON.stringify(things) })).status, 200);
  const ask = (filter, rest = 'user=nobody') => server.json(`/v1/recommendations?${rest}&n=50&filter=${encodeURIComponent(filter)}`);
  const found = async (filter, rest) => idsOf(await ask(filter, rest)).sort();
  await eventually(async () => assert.deepEqual(await found('category:F'), ['f1', 'f3']));
  assert.deepEqual(await found('category:F,stock>=5'), ['f3']);
  assert.deepEqual(await found('brand:Acme|Gardena'), ['f1']);
  assert.deepEqual(await found('tags:"a, b"'), ['f1']);
  assert.deepEqual(await found('category:F,!has:weight'), ['f1']);
  assert.deepEqual(await found('!available'), ['f2'], 'a stock of nothing');
  assert.deepEqual(await found('bought', 'user=u0'), ['i7'], 'buy it again');
  assert.ok(!(await found('!seen', 'user=u0')).includes('i4'));
  assert.deepEqual(await found('bought'), []);

  const explained = await ask('brnd:Acme', 'user=nobody&explain=1');
  assert.deepEqual(explained.items, []);
  const [clause] = explained.explanation.filter;
  assert.equal(clause.clause, 'brnd:Acme');
  assert.equal(clause.found, 0);
  assert.match(clause.hint, /no item looked at has 'brnd'; did you mean brand\?/);

  const refused = async (filter) => {
    const answer = await server.fetch(`/v1/recommendations?user=u&filter=${encodeURIComponent(filter)}`);
    assert.equal(answer.status, 400, filter.slice(0, 50));
    return JSON.stringify(await answer.json());
  };
  assert.match(await refused('stock>0,price<cheap'), /clause 2, character 15: price needs a number/);
  assert.match(await refused(`id:${Array(1_001).fill('a').join('|')}`), /there may be 1000 values at most/);
  assert.match(await refused('brand:"Acme'), /character 7: this quote is not closed/);
  await refused('brand:a\0b');
  const tooLong = await server.fetch(`/v1/recommendations?filter=${encodeURIComponent(`id:${Array(10_000).fill('a').join('|')}`)}`);
  assert.equal(tooLong.status, 431, '10,000 values are more than the head of a request holds');
});

test("the news system's own call (N7)", async () => {
  const answer = await server.json('/recommendation?userId=12&numRecs=3');
  assert.equal(answer.articles.length, 3);
  assert.deepEqual(Object.keys(answer), ['articles']);
  const missing = await server.fetch('/recommendation');
  assert.equal(missing.status, 400);
  assert.equal((await missing.json()).message, 'No User Id provided.');
  const wrong = await server.fetch('/recommendation?userId=a&numRecs=3');
  assert.equal(wrong.status, 400);
  assert.equal((await wrong.json()).message, 'User id and number of recs arguments must be integers.');
  const zero = await server.json('/recommendation?userId=0');
  assert.equal(zero.articles.length, 5, 'user 0 is a person like others');
});

test('each answer is kept in the warehouse', async () => {
  const { recommendation_id: id, items } = await server.json('/v1/recommendations?user=keeper&n=4');
  await eventually(async () => {
    const rows = await server.sql(`SELECT item_id FROM recommendations WHERE recommendation_id = '${id}' ORDER BY position`);
    assert.deepEqual(rows.map(([item]) => item), items.map((i) => i.id));
  });
});
