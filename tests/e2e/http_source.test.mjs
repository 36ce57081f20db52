// A paged JSON API as a source (C13): each item once through kill -9, refusals, broken pages and endless cursors.
// ctest: timeout 180
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, root, run, Server, temporaryDir } from '../support/millrace.mjs';

const token = 'a-token-of-the-shop-7731';

/** An API of numbered orders, two lines each, from `from` on; `odd(request, response)` may answer instead and return true. */
async function startApi(t, { orders = 250, size = 20 } = {}) {
  const api = { orders, size, requests: [], odd: () => false };
  api.server = http.createServer((request, response) => {
    const url = new URL(request.url, 'http://api');
    api.requests.push({ at: performance.now(), url: request.url, authorization: request.headers.authorization });
    if (api.odd(url, response, api.requests.length)) return;
    const send = (status, body) => response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (request.headers.authorization !== `Bearer ${token}`) return send(401, { error: 'unknown token' });
    const cursor = url.searchParams.get('cursor');
    const since = url.searchParams.get('updated_since');
    let first = cursor ? Number(Buffer.from(cursor, 'base64').toString()) : 0;
    if (!cursor && since) while (first < api.orders && timeOf(first) < since) first++;
    const end = Math.min(first + (Number(url.searchParams.get('limit')) || api.size), api.orders);
    const data = [];
    for (let n = first; n < end; n++) data.push(order(n));
    return send(200, { data, meta: { next: end < api.orders ? Buffer.from(String(end)).toString('base64') : null } });
  });
  await new Promise((r) => api.server.listen(0, '127.0.0.1', r));
  t.after(() => {
    api.server.closeAllConnections();
    api.server.close();
  });
  api.host = `127.0.0.1:${api.server.address().port}`;
  return api;
}

const timeOf = (n) => new Date(Date.UTC(2026, 10, 1) + Math.floor(n / 3) * 1000).toISOString(); // three have the same
const order = (n) => ({
  id: `o-${n}`, paid_at: timeOf(n), updated_at: timeOf(n), currency: 'EUR', customer: { id: `u${n % 9}` },
  lines: [{ sku: `a${n % 7}`, quantity: 1, price: 2.5 }, { sku: 'b', quantity: n, price: 1 }],
});

/** The project of the how-to page, with the API's address and what else a test needs. */
async function projectFor(api, change = (yaml) => yaml) {
  const project = await temporaryDir();
  const page = readFileSync(path.join(root, 'docs/how-to/ingest.md'), 'utf8');
  for (const [, name, text] of page.matchAll(/<!-- project: ([\w./-]+) -->\s*```yaml\n([\s\S]*?)```/g)) {
    mkdirSync(path.join(project, path.dirname(name)), { recursive: true });
    const here = text.replace('https://api.shop.example', `http://${api.host}`).replace('every: 1m', 'every: 200ms').replace('size: 100', 'size: 20');
    writeFileSync(path.join(project, name), name === 'millrace.yaml' ? change(here) : here);
  }
  return project;
}

const env = { SHOP_TOKEN: token };
const follow = async (server) => (await (await server.asAdmin('GET', '/v1/extracts')).json()).sources.find(({ kind }) => kind === 'http').follow;
const lines = async (server) => Number((await server.sql("SELECT count(*) FROM events WHERE source = 'shop'"))[0][0]);

test('the how-to page: pages, then what is new, each order once', async (t) => {
  const api = await startApi(t);
  const project = await projectFor(api);
  const server = await Server.start({ args: ['--project', project], env });
  t.after(() => server.stop());
  await eventually('all orders', async () => assert.equal(await lines(server), 500));
  assert.match(api.requests[1].url, /^\/v1\/orders\?limit=20&cursor=/);
  api.orders = 260;
  await eventually('new orders', async () => assert.equal(await lines(server), 520));
  assert.match(api.requests.at(-1).url, /updated_since=2026-11-01T00%3A00%3A2/);
  const listed = await run(['extract', '--list', '--data', server.data, '--project', project], { env });
  assert.match(listed.stdout, /shop_orders {2}http:\/\/127\.0\.0\.1:\d+\/v1\/orders\n {2}followed: streaming/);
  const metrics = await (await server.fetch('/metrics')).text();
  assert.match(metrics, /millrace_follow_up\{source="shop_orders"\} 1/);
  assert.match(metrics, /millrace_follow_items_total\{source="shop_orders"\} 260/);
  const asked = api.requests.length;
  await new Promise((r) => setTimeout(r, 1000));
  assert.ok(api.requests.length - asked <= 6, 'no more requests a second than limits.requests_per_second');
  const stopping = performance.now();
  await server.stop();
  assert.ok(performance.now() - stopping < 5000);
});

test('each order counts once through kill -9 between and within pages', async (t) => {
  const api = await startApi(t, { orders: 2000 });
  const data = await temporaryDir();
  const project = await projectFor(api, (yaml) => yaml.replace('every: 200ms', 'every: 200ms\n    limits: {requests_per_second: 60}'));
  for (let life = 0; life < 5; life++) {
    const before = api.requests.length;
    const server = await Server.start({ data, args: ['--project', project], env });
    await eventually('some pages', () => assert.ok(api.requests.length > before + 5 + 2 * life));
    await new Promise((r) => setTimeout(r, 17 * life));
    await server.kill();
  }
  const server = await Server.start({ data, args: ['--project', project], env });
  t.after(() => server.stop());
  await eventually('all orders', async () => assert.ok((await lines(server)) >= 4000));
  await eventually('the end', async () => assert.ok((await follow(server)).idle));
  const books = await server.drained();
  assert.equal(books.logged, 4000, `the log holds none twice: ${JSON.stringify(books)}`);
  assert.equal(await lines(server), 4000);
});

test('a wrong token is told with what to do, and is in no output', async (t) => {
  const api = await startApi(t, { orders: 4 });
  const project = await projectFor(api, (yaml) => `${yaml}    outage_after: 0s\n`);
  const server = await Server.start({ args: ['--project', project], env: { SHOP_TOKEN: 'wrong-token-991' } });
  t.after(() => server.stop());
  const status = await eventually('refused', async () => {
    const now = await follow(server);
    assert.match(now.error, /\/v1\/orders answered 401: the API does not take the credentials: check auth \(source shop_orders of millrace\.yaml\)/);
    return now;
  });
  assert.equal(status.state, 'waiting');
  assert.equal(api.requests[0].authorization, 'Bearer wrong-token-991');
  assert.ok(!server.stderr.includes('wrong-token-991'));
  await eventually('told', async () => {
    const { messages } = await (await server.asAdmin('GET', '/v1/topics/source_events/messages?n=10')).json();
    assert.match(Buffer.from(messages[0].value_base64, 'base64').toString(), /outage_begun.*shop_orders.*401/);
  });
});

test('Retry-After is kept to, 5xx and pages that break off are asked for again', async (t) => {
  const api = await startApi(t, { orders: 60 });
  const refusals = [];
  api.odd = (url, response, count) => {
    const refuse = (status, wait, headers) => {
      refusals.push({ at: performance.now(), wait });
      response.writeHead(status, headers).end('{"error":"later"}');
      return true;
    };
    if (count === 2) return refuse(429, 1500, { 'retry-after': '2' });
    if (count === 3) return refuse(503, 1000, { 'retry-after': new Date(Date.now() + 2000).toUTCString() });
    if (count === 4) return refuse(500, 0, {});
    if (count === 5) {
      response.writeHead(200, { 'content-length': 5000 }).write('{"data":[{"id":"torn"');
      setTimeout(() => response.destroy(), 50);
      return true;
    }
    if (count === 6) {
      response.writeHead(200, { connection: 'close' }).write('{"data":[{"id":"half"}'); // no length: the end is its end
      response.end();
      return true;
    }
    return false;
  };
  const project = await projectFor(api);
  const server = await Server.start({ args: ['--project', project], env });
  t.after(() => server.stop());
  await eventually('all orders', async () => assert.equal(await lines(server), 120), 60_000);
  for (const { at, wait } of refusals) {
    const next = api.requests.find((request) => request.at > at);
    assert.ok(next.at - at >= wait, `asked again after ${next.at - at} ms instead of ${wait}`);
  }
  assert.ok(api.requests[1].at, 'the second page was asked for again, not the first');
  assert.equal(api.requests[6].url, api.requests[1].url);
  const refused = await server.sql("SELECT where_, message, decode(raw) FROM quarantine");
  assert.equal(refused.length, 1, 'the page that broke off without a length');
  assert.match(refused[0][0], /shop_orders page 2, cursor=MjA=:/);
  assert.match(refused[0][1], /is not JSON/);
});

test('pages that never end stop the source; redirects and links elsewhere are refused; bad items are put aside', async (t) => {
  const api = await startApi(t, { orders: 4 });
  api.odd = (url, response) => {
    response.setHeader('content-type', 'application/json');
    if (url.pathname === '/endless') response.end(JSON.stringify({ data: [order(1)], meta: { next: `c${api.requests.length}` } }));
    else if (url.pathname === '/away') response.writeHead(302, { location: 'http://localhost:1/x' }).end();
    else if (url.pathname === '/bad') response.end(JSON.stringify({ data: [order(1), 'text', { id: 'x', updated_at: 'z', paid_at: 'never', lines: [{ sku: 'k' }] }] }));
    else return false;
    return true;
  };
  const source = (name) => `
  ${name}: {kind: http, url: "http://${api.host}/${name}", items: data, map: mappings/shop_orders.yaml, paging: {cursor: meta.next, parameter: after}, source: ${name}}`;
  const project = await projectFor(api, () => `sources:${source('endless')}${source('away')}${source('bad')}\n`);
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const statusOf = async (name) => (await (await server.asAdmin('GET', '/v1/extracts')).json()).sources.find((s) => s.source === name).follow;
  await eventually('it stops', async () => {
    const endless = await statusOf('endless');
    assert.equal(endless.state, 'stopped');
    assert.match(endless.error, /holds the same items as the page before it, as if the API did not know the parameter 'after'/);
  });
  await eventually('it is refused', async () => assert.match((await statusOf('away')).error, /leads on to http:\/\/localhost:1\/x, another host/));
  await eventually('they are put aside', async () =>
    assert.deepEqual(await server.sql("SELECT where_ FROM quarantine WHERE source = 'bad' ORDER BY 1"), [['bad page 1:2'], ['bad page 1:3.1']]));
  const counts = await server.sql("SELECT source, count(*) FROM events GROUP BY source ORDER BY source");
  assert.deepEqual(counts.map(([s, n]) => [s, Number(n)]), [['bad', 2], ['endless', 2]]);
});

test('mistakes of the configuration name their place', async () => {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), `sources:
  a: {kind: http, url: "http://api.example/x", auth: {bearer: t}, format: native}
  b: {kind: http, url: "ftp://api.example/x", format: native, paging: {cursor: next}}
  c: {kind: http, url: "http://127.0.0.1/x", format: native, whole: true, paging: {page: p, offset: o}}
  d: {kind: http, url: "http://127.0.0.1/x", auth: {bearer: a, user: b}}
  e: {kind: ftp}
`);
  const refused = await run(['up', '--project', project, '--data', path.join(project, 'data')]);
  assert.equal(refused.code, 1);
  for (const message of [
    /yaml:2: would go over the network for all to read: use https/,
    /yaml:3: a URL is http\(s\):\/\/HOST:PORT\/PATH, not 'ftp:/,
    /yaml:3: .*'parameter'/,
    /yaml:4: takes one of: cursor and parameter; link; page; offset/,
    /yaml:4: is for items and users, without since/,
    /yaml:5: takes one of: bearer; header and value; user and password/,
    /yaml:5: .*'map'/,
    /yaml:6: .*mysql.*http/,
  ]) assert.match(refused.stderr, message);
});
