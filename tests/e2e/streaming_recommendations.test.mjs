// ctest: timeout 240
// Activity events in, recommendations out: as server-sent events, pushed to a subscriber, in the table and in the lake; through kill -9.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually, Server, sharedData, temporaryDir } from '../support/millrace.mjs';

const cleanUp = [];
after(async () => {
  for (const work of cleanUp.reverse()) await work();
});

const products = Array.from({ length: 12 }, (_, i) => `S${10 + i}_1${i}`);

async function directory() {
  const dir = await temporaryDir();
  cleanUp.push(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A server whose archive ends its files soon, and which may push to `target`. */
async function start(data, { target, settings = '' } = {}) {
  const project = await directory();
  const push = target ? `subscriptions:\n  push_targets:\n    - {url: "${target}"}\n` : '';
  await writeFile(path.join(project, 'millrace.yaml'), `lake: {interval: 1s}\n${push}${settings}`);
  const server = await Server.start({ data, args: ['--project', project] });
  cleanUp.push(() => server.stop());
  return server;
}

async function browse(server, session, customer, codes, headers = {}) {
  const event = { session_id: session, customer_number: customer, city: 'Pasadena', country: 'USA', credit_limit: 59811,
    browse_history: codes.map((product_code, i) => ({ product_code, quantity: '1', in_shopping_cart: i === 0 })) };
  const answer = await server.post('/v1/activity', event, headers);
  assert.equal(answer.status, 200, await answer.text());
}

/** People look at four products each; returns once the shop knows what is popular. */
async function visits(server, count = 24) {
  for (let i = 0; i < count; i++) await browse(server, `visit-${i}`, 1000 + i, [0, 1, 2, 3].map((k) => products[(i + k) % products.length]));
  await eventually('there are popular items', async () => assert.ok((await server.json('/v1/recommendations?n=5')).items.length === 5));
}

/** Follow a stream of server-sent events as EventSource does; `events` grows. */
async function follow(server, query) {
  const request = http.get(`${server.url}/v1/recommendations/stream?${query}`, { headers: { accept: 'text/event-stream', origin: 'http://shop.example' } });
  const [response] = await once(request, 'response');
  const stream = { events: [], headers: response.headers, close: () => request.destroy() };
  let text = '';
  response.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const fields = text.slice(0, end).split('\n').map((line) => line.split(/: (.*)/s));
      const kind = fields.find(([name]) => name === 'event')?.[1];
      if (kind) stream.events.push({ kind, data: JSON.parse(fields.filter(([name]) => name === 'data').map(([, value]) => value).join('\n')) });
    }
  }).on('error', () => {});
  request.on('error', () => {});
  cleanUp.push(stream.close);
  return stream;
}

async function kept(server) {
  await server.drained();
  const rows = await server.sql("SELECT DISTINCT recommendation_id, session_id FROM recommendations WHERE kind = 'activity'");
  return rows.map(([, session]) => session);
}

test('the real event gets the real record, with more beside', async (t) => {
  const file = sharedData('ecommerce/delivery-stream-one-record.json');
  if (!file) return t.skip('the shared data is not here');
  const { recommended_items: items, similar_items: similar, ...event } = JSON.parse(readFileSync(file, 'utf8'));
  const server = await start(await directory());
  await visits(server);
  const stream = await follow(server, `session=${event.session_id}`);
  assert.equal((await server.post('/v1/activity', event)).status, 200);
  const { kind, data } = await eventually('it is answered', () => stream.events[0] ?? assert.fail('nothing came'));
  assert.equal(kind, 'recommendation');
  for (const [name, value] of Object.entries(event)) assert.deepEqual(data[name], value, name);
  const shape = (value) => Array.isArray(value) ? value.map(shape)
    : value && typeof value === 'object' ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, shape(v)])) : typeof value;
  assert.deepEqual(shape(data.recommended_items), shape(items));
  assert.deepEqual(shape(data.similar_items), shape(similar));
  assert.equal(data.similar_items.product_code, similar.product_code, 'the first in the cart');
  assert.deepEqual(data.similar_by_product.map((one) => one.product_code), ['S50_1514', 'S700_1938', 'S18_1342'], 'cart first');
  assert.match(data.model, /^\w+@\d+$/);
  assert.match(data.recommendation_id, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert.ok(data.latency_us >= 0 && data.latency_us < 10_000_000);
  await server.stop();
});

test('streams are of one person or session, for pages of any site', async () => {
  const server = await start(await directory());
  for (const query of ['', 'user=1&session=a', 'user=', 'sesion=a'])
    assert.equal((await server.fetch(`/v1/recommendations/stream?${query}`)).status, 400, query);
  const mine = await follow(server, 'session=mine');
  const customer = await follow(server, 'user=77');
  const again = await follow(server, 'user=77');
  const other = await follow(server, 'session=other');
  assert.match(mine.headers['content-type'], /^text\/event-stream/);
  assert.equal(mine.headers['access-control-allow-origin'], '*');
  await visits(server, 3);
  await browse(server, 'mine', 77, products.slice(0, 2));
  await browse(server, 'another', 77, []);
  await eventually('all came', () => assert.deepEqual([mine, customer, again].map((s) => s.events.length), [1, 2, 2]));
  assert.equal(customer.events[1].data.session_id, 'another');
  assert.equal(customer.events[1].data.similar_items, null);
  assert.equal(other.events.length, 0);
  again.close();
  await browse(server, 'mine', 77, [products[4]]);
  await eventually('the rest goes on', () => assert.deepEqual([mine, customer, again].map((s) => s.events.length), [2, 3, 2]));
  await server.stop();
});

test('a push subscriber, the table and the lake get each answer once, through kill -9', async () => {
  const pushed = new Map();
  const endpoint = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      const record = JSON.parse(Buffer.from(JSON.parse(Buffer.concat(chunks)).message.data, 'base64'));
      pushed.set(record.recommendation_id, record);
      response.writeHead(204).end();
    });
  }).listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
  cleanUp.push(() => endpoint.close());
  const target = `http://127.0.0.1:${endpoint.address().port}/answers`;
  const data = await directory();
  const sent = [];
  let server = await start(data, { target });
  await server.fetch('/v1/subscriptions/shop', { method: 'PUT', body: JSON.stringify({ topic: 'recommendations', push: { url: target } }) });
  for (let life = 0; life < 3; life++) {
    if (life > 0) server = await start(data, { target });
    for (let i = 0; i < 30; i++) {
      sent.push(`s-${life}-${i}`);
      await browse(server, sent.at(-1), i % 3 ? 500 + i : undefined, [0, 1, 2].map((k) => products[(i + k) % products.length]));
    }
    await server.kill();  // what was sent last has no answer yet
  }
  server = await start(data, { target });
  await eventually('all is answered', async () => assert.deepEqual((await kept(server)).sort(), [...sent].sort()));
  assert.equal((await server.json('/v1/recommendations?user=501&n=3')).items.length, 3);
  await eventually('all is pushed', () => assert.deepEqual([...pushed.values()].filter((r) => r.kind === 'activity').map((r) => r.session_id).sort(), [...sent].sort()));
  const [[similar, models]] = await server.sql(`SELECT count(*), string_agg(DISTINCT model) FROM recommendations WHERE kind = 'activity' AND similar_to = '${products[0]}' AND distance BETWEEN 0 AND 1`);
  assert.ok(Number(similar) > 0);
  assert.equal(models, 'foundation@1');
  const lake = path.join(data, 'lake/raw/recommendations');
  await eventually('all is in the lake', async () => {
    const entries = await readdir(lake, { recursive: true, withFileTypes: true });
    const files = entries.filter((e) => e.isFile()).map((e) => path.join(e.path, e.name));
    assert.match(files[0], /recommendations\/year=\d{4}\/month=\d\d\/day=\d\d\/hour=\d\d\/0-0-\d+\.jsonl\.zst$/);
    const lines = execFileSync('zstd', ['--decompress', '--stdout', '--quiet', ...files], { maxBuffer: 1 << 28 }).toString().trim().split('\n').map((l) => JSON.parse(l));
    const ids = lines.map((l) => l.recommendation_id);
    assert.equal(new Set(ids).size, ids.length);
    assert.deepEqual(lines.filter((l) => l.kind === 'activity').map((l) => l.session_id).sort(), [...sent].sort());
    assert.equal(lines.filter((l) => l.kind === 'recommend').length, 1, 'the answer that was asked for is there too');
    assert.ok(lines.every((l) => l.model === 'foundation@1'));
  });
  await server.stop();
});

test('it can be switched off, and then begins with what comes', async () => {
  const data = await directory();
  let server = await start(data, { settings: 'recommend: {streaming: {enabled: false}}\n' });
  await browse(server, 'before', 1, [products[0]]);
  await server.stop();
  server = await start(data);
  await browse(server, 'after', 1, [products[0]]);
  await eventually('it is answered', async () => assert.deepEqual(await kept(server), ['after']));
  await server.stop();
});
