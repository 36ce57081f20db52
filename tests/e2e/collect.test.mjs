// What a producer may throw at the collector, and what it gets back.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { Server } from '../support/millrace.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const track = (messageId, properties = { product_id: 'p1' }, more = {}) => ({
  type: 'track', event: 'Product Viewed', messageId, anonymousId: 'anon', timestamp: new Date().toISOString(),
  properties, ...more,
});

async function rowsOf(messageId) {
  await server.drained();
  return server.sql(`SELECT type FROM events WHERE message_id = '${messageId}'`);
}

async function quarantined(where) {
  await server.drained();
  return server.sql(`SELECT code, message FROM quarantine WHERE ${where}`);
}

/** Send raw bytes; resolve to all that comes back until the server closes or `ms` pass. */
async function raw(bytes, ms = 3000) {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect(Number(port), hostname);
  await once(socket, 'connect');
  let back = '';
  socket.on('data', (d) => (back += d));
  socket.on('error', () => {});
  socket.write(bytes);
  await Promise.race([once(socket, 'close'), new Promise((r) => setTimeout(r, ms))]);
  socket.destroy();
  return back;
}

test('a single event, a batch, gzip, and text/plain all count', async () => {
  assert.deepEqual(await (await server.post('/v1/track', track('one'))).json(), { success: true, accepted: 1, quarantined: 0 });
  const batch = { batch: [track('b1'), track('b2')] };
  assert.deepEqual(await (await server.post('/v1/batch', batch)).json(), { success: true, accepted: 2, quarantined: 0 });
  const zipped = await server.post('/v1/batch', gzipSync(JSON.stringify({ batch: [track('gz')] })), {
    'content-type': 'application/x-www-form-urlencoded',
  });
  assert.equal(zipped.status, 200);
  const plain = await server.post('/v1/batch', JSON.stringify({ batch: [track('plain')] }), { 'content-type': 'text/plain' });
  assert.equal(plain.status, 200);
  for (const id of ['one', 'b1', 'b2', 'gz', 'plain']) assert.deepEqual(await rowsOf(id), [['item_view']], id);
});

test('one bad event does not stop its batch', async () => {
  const batch = [track('good-1'), track('bad-time', undefined, { timestamp: 'yesterday' }), track('good-2')];
  const answer = await server.post('/v1/batch', { batch });
  assert.equal(answer.status, 200);
  const { first_error, ...counts } = await answer.json();
  assert.deepEqual(counts, { success: true, accepted: 2, quarantined: 1 });
  assert.deepEqual([first_error.code, first_error.where], ['invalid', 'batch[1].timestamp']);
  assert.match(first_error.message, /yesterday/);
  assert.deepEqual(await rowsOf('good-1'), [['item_view']]);
  assert.deepEqual(await rowsOf('good-2'), [['item_view']]);
  const [[code, message]] = await quarantined("decode(raw) LIKE '%bad-time%'");
  assert.equal(code, 'invalid');
  assert.match(message, /yesterday/);
});

test('malformed JSON is 400 with a code and a message', async () => {
  for (const body of ['{"batch":[', '', 'null', '{"batch":"no"}', '\u0000\u0001', '[1,2', '{"type":"track"}}']) {
    const answer = await server.post('/v1/batch', body);
    const parsed = await answer.json();
    if (answer.status === 200) assert.ok(parsed.accepted === 0, `accepted ${JSON.stringify(body)}`);
    else {
      assert.equal(answer.status, 400, body);
      assert.ok(parsed.code && parsed.message, body);
    }
  }
});

test('truncated gzip is 400', async () => {
  const whole = gzipSync(JSON.stringify({ batch: [track('cut')] }));
  const answer = await server.post('/v1/batch', whole.subarray(0, whole.length - 9), { 'content-encoding': 'gzip' });
  assert.equal(answer.status, 400);
  assert.match((await answer.json()).message, /gzip/i);
  assert.deepEqual(await rowsOf('cut'), []);
});

test('a 10 MB body is 413 and says the limit', async () => {
  const answer = await server.post('/v1/batch', JSON.stringify({ batch: [track('huge', { x: 'y'.repeat(10_000_000) })] }));
  assert.equal(answer.status, 413);
  assert.match((await answer.json()).message, /limit|large/i);
});

test('an event over 32 KB goes to quarantine, its batch goes on', async () => {
  const answer = await server.post('/v1/batch', { batch: [track('fat', { x: 'y'.repeat(40_000) }), track('slim')] });
  const { first_error, ...counts } = await answer.json();
  assert.deepEqual(counts, { success: true, accepted: 1, quarantined: 1 });
  assert.equal(first_error.where, 'batch[0]');
});

test('native events and CloudEvents may come together, each known by its own keys', async () => {
  const note = { type: 'item_view', message_id: 'spec-native', items: [{ item_id: 'p1' }], properties: { specversion: '"specversion":' } };
  const cloud = { specversion: '1.0', id: 'spec-cloud', source: '/shop', type: 'com.example.item_view', data: { items: [{ item_id: 'p1' }] } };
  for (const body of [note, [note, cloud], `${JSON.stringify(cloud)}\n${JSON.stringify(note)}`]) {
    const count = body === note ? 1 : 2;
    assert.deepEqual(await (await server.post('/v1/events', body)).json(), { success: true, accepted: count, quarantined: 0 });
  }
  assert.deepEqual(await rowsOf('spec-native'), [['item_view']]);
  assert.deepEqual(await rowsOf('/shop#spec-cloud'), [['item_view']]);
});

test('a batch over 500 KB is 413', async () => {
  const batch = [];
  for (let i = 0; i < 30; i++) batch.push(track(`wide-${i}`, { x: 'y'.repeat(20_000) }));
  assert.equal((await server.post('/v1/batch', { batch })).status, 413);
});

test('wrong types, odd bytes and odd times', async () => {
  const answer = await server.post('/v1/batch', {
    batch: [
      track('t-1970', undefined, { timestamp: '1970-01-01T00:00:01Z' }),
      track('t-2100', undefined, { timestamp: '2100-01-01T00:00:00Z' }),
      track('t-type', undefined, { userId: { no: 'object' } }),
      track('t-nul', { product_id: 'a\u0000b' }),
      track('t-unknown', { product_id: 'p9', colour: 'red', nested: { deep: [1, 2, { three: 3 }] } }, { extra: 7 }),
    ],
  });
  const { accepted, quarantined: refused } = await answer.json();
  assert.equal(accepted + refused, 5);
  assert.deepEqual(await rowsOf('t-1970'), [['item_view']], 'history is welcome');
  assert.deepEqual(await rowsOf('t-2100'), [], 'the far future is not');
  assert.deepEqual(await rowsOf('t-type'), []);
  const [[properties]] = await server.sql("SELECT properties FROM events WHERE message_id = 't-unknown'");
  assert.deepEqual(JSON.parse(properties).nested, { deep: [1, 2, { three: 3 }] }, 'unknown fields are kept');
});

test('invalid UTF-8 is quarantined or refused, never stored as text', async () => {
  const bytes = Buffer.concat([Buffer.from('{"batch":[{"type":"track","event":"Product Viewed","messageId":"utf","anonymousId":"'),
    Buffer.from([0xc3, 0x28]), Buffer.from('"}]}')]);
  const answer = await server.post('/v1/batch', bytes);
  assert.ok(answer.status === 400 || (await answer.json()).quarantined === 1);
  assert.deepEqual(await rowsOf('utf'), []);
});

test('the same message id twice is one row', async () => {
  for (let i = 0; i < 3; i++) await server.post('/v1/track', track('thrice'));
  assert.deepEqual(await rowsOf('thrice'), [['item_view']]);
  assert.equal((await server.drained()).balanced, true);
});

test('a slow client is cut off while others are served', { timeout: 60_000 }, async () => {
  const { hostname, port } = new URL(server.url);
  const slow = net.connect(Number(port), hostname);
  await once(slow, 'connect');
  slow.on('error', () => {});
  slow.resume();  // a socket nobody reads never says that it was closed
  slow.write('POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"batch"');
  assert.equal((await server.post('/v1/track', track('meanwhile'))).status, 200);
  const closed = await Promise.race([once(slow, 'close').then(() => true), new Promise((r) => setTimeout(() => r(false), 45_000))]);
  slow.destroy();
  assert.equal(closed, true, 'the slow connection is still open');
});

test('requests that are not HTTP get 400 and do no harm', async () => {
  for (const bytes of ['GARBAGE\r\n\r\n', '\u0000\u0000\u0000', 'GET / HTTP/9.9\r\n\r\n', 'POST /v1/batch HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n']) {
    const back = await raw(bytes, 1500);
    assert.ok(back === '' || /^HTTP\/1\.[01] 4|^HTTP\/1\.[01] 505/.test(back), JSON.stringify(back.slice(0, 60)));
  }
  assert.equal((await server.fetch('/healthz')).status, 200);
});

test('a foreign Host is refused, and CORS opens collect and recommendations only', async () => {
  const refused = await raw('GET /v1/dashboard HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
  assert.match(refused, /^HTTP\/1\.1 (403|421)/);
  const origin = { origin: 'https://shop.example' };
  const open = await server.fetch('/v1/batch', { method: 'OPTIONS', headers: { ...origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type,authorization' } });
  assert.equal(open.headers.get('access-control-allow-origin'), '*');
  const recommendations = await server.fetch('/v1/recommendations?n=3', { headers: origin });
  assert.equal(recommendations.headers.get('access-control-allow-origin'), '*');
  const closed = await server.fetch('/v1/sql', { method: 'OPTIONS', headers: { ...origin, 'access-control-request-method': 'POST' } });
  assert.equal(closed.headers.get('access-control-allow-origin'), null);
});

test('visits, activity and push have routes of their own', async () => {
  const visit = { session_id: 'SID-1', user_id: 'UID-1', device_type: 'desktop', geolocation: '1.5,2.5', user_agent: 'x',
    events: [{ event: { event_type: 'page_view', timestamp: '2024-07-01T09:00:00', details: { page_url: 'https://example.com/home', referrer_url: null } } },
      { event: { event_type: 'purchase', timestamp: '2024-07-01T09:01:00', details: { order_id: 'ORD-1', amount: 30, currency: 'USD', items: [{ product_id: 'X-1', product_name: 'X', category: 'hardware', price: 15, quantity: 2 }] } } }] };
  assert.deepEqual(await (await server.post('/v1/visits', visit)).json(), { success: true, accepted: 2, quarantined: 0 });
  const activity = { session_id: '6f1e2a50-0000-4000-8000-000000000001', customer_number: 478, city: 'Pasadena', country: 'USA', credit_limit: 59811,
    browse_history: [{ product_code: 'S50_1514', quantity: '1', in_shopping_cart: true }, { product_code: 'S18_1342', quantity: 3, in_shopping_cart: false }] };
  const headers = { 'idempotency-key': 'act-1' };
  for (let i = 0; i < 2; i++) assert.equal((await server.post('/v1/activity', activity, headers)).status, 200);
  const pushed = { message: { data: Buffer.from(JSON.stringify(visit).replace('SID-1', 'SID-2').replace('ORD-1', 'ORD-2')).toString('base64'), messageId: 'm-1', publishTime: '2024-07-01T09:02:00Z' }, subscription: 'projects/p/subscriptions/s' };
  assert.equal((await server.post('/v1/push/visit', pushed)).status, 200);
  assert.equal((await server.post('/v1/push/visit', '{"message":')).status, 400);
  const books = await server.drained();
  assert.equal(books.balanced, true);
  assert.deepEqual(await server.sql("SELECT count(*) FROM events WHERE session_id IN ('SID-1','SID-2') AND type = 'purchase'"), [[2]]);
  assert.deepEqual(await server.sql("SELECT count(*) FROM events WHERE user_id = '478'"), [[1]], 'sent twice with one key');
});

test('items and people are kept, changed and removed', async () => {
  const put = (route, body) => server.fetch(route, { method: 'PUT', body: JSON.stringify(body) });
  assert.equal((await put('/v1/items/it-1', { name: 'Lamp', category: 'Lighting/Lamps', price: '19.95', currency: 'EUR' })).status, 200);
  assert.equal((await put('/v1/items', [{ id: 'it-2', name: 'Rake', price: 5 }, { id: 'it-3', name: 'Pot' }])).status, 200);
  assert.equal((await put('/v1/users/us-1', { country: 'Italy' })).status, 200);
  assert.equal((await server.fetch('/v1/items/it-3', { method: 'DELETE' })).status, 200);
  await server.drained();
  const end = Date.now() + 5000;
  let items;
  do items = await server.sql("SELECT item_id, name FROM items WHERE item_id LIKE 'it-%' ORDER BY item_id");
  while (items.length !== 2 && Date.now() < end);
  assert.deepEqual(items, [['it-1', 'Lamp'], ['it-2', 'Rake']]);
  assert.equal((await put('/v1/items/it-4', 'not an object')).status, 400);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  for (const [method, route, body] of [
    ['PUT', '/v1/items', `[{"id":"deep","a":${deep}}]`],
    ['PUT', '/v1/items/%FF', '{}'],
    ['DELETE', '/v1/items/%FF', ''],
    ['PUT', '/v1/items', Buffer.from([0x5b, 0x22, 0xff, 0x22, 0x5d])],
    ['PUT', '/v1/users', '[{"id":7.5}]'],
    ['PUT', '/v1/items', '[{"name":"no id"}]'],
    ['DELETE', '/v1/items', '{"ids":[1]}'],
    ['POST', '/v1/sql', deep],
    ['POST', '/v1/sql', '{"query":7}'],
  ]) {
    const answer = await server.fetch(route, { method, body: body || undefined });
    assert.equal(answer.status, 400, `${method} ${route}: ${answer.status}`);
    assert.ok((await answer.json()).message);
  }
  assert.equal((await server.fetch('/healthz')).status, 200, 'it lives');
});

test('unknown routes and methods say so', async () => {
  const lost = await server.fetch('/v1/nothing');
  assert.equal(lost.status, 404);
  assert.ok((await lost.json()).message);
  assert.match((await (await server.post('/v1/bacth', {})).json()).message, /did you mean \/v1\/batch\?/);
  const wrong = await server.fetch('/v1/batch');
  assert.equal(wrong.status, 405);
  assert.equal(wrong.headers.get('allow'), 'OPTIONS, POST');
  assert.match((await wrong.json()).message, /does not take GET; it takes POST/);
  const page = await server.post('/', {});
  assert.equal(page.status, 405);
  assert.equal(page.headers.get('allow'), 'GET, HEAD');
  const nowhere = await server.fetch('/v1/recommendations?placement=atlantis');
  assert.match((await nowhere.json()).message, /^placement: 'atlantis' is not known; use home/);
});
