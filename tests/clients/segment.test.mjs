// Segment's public Node library, unchanged, pointed at the collector.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { Analytics } from '@segment/analytics-node';
import { Server } from '../support/millrace.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

/** A proxy that delivers the first `failures` requests and then claims that they failed. */
async function forgetfulProxy(target, failures, status) {
  let left = failures;
  const proxy = http.createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { host, connection, 'content-length': length, 'transfer-encoding': te, ...headers } = request.headers;
    const answer = await fetch(target + request.url, { method: request.method, headers, body: Buffer.concat(chunks) });
    const body = await answer.text();
    if (left-- > 0) {
      response.writeHead(status, { 'retry-after': '0' }).end('{"code":"internal","message":"lost"}');
    } else {
      response.writeHead(answer.status, { 'content-type': 'application/json' }).end(body);
    }
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${proxy.address().port}`, close: () => proxy.close() };
}

test('events arrive as the library sends them', async () => {
  const errors = [];
  const analytics = new Analytics({ writeKey: 'test-key', host: server.url, flushAt: 5 });
  analytics.on('error', (e) => errors.push(e));
  analytics.identify({ userId: 'seg-1', traits: { name: 'Ada' } });
  analytics.page({ userId: 'seg-1', name: 'Home', properties: { path: '/home', url: 'https://shop.example/home' } });
  for (let i = 0; i < 10; i++) {
    analytics.track({ userId: 'seg-1', event: 'Product Viewed', properties: { product_id: `seg-p${i}`, price: 9.95 } });
  }
  analytics.track({
    userId: 'seg-1',
    event: 'Order Completed',
    properties: {
      order_id: 'seg-o1', revenue: 29.9, currency: 'EUR',
      products: [{ product_id: 'seg-p1', price: 9.95, quantity: 2 }, { product_id: 'seg-p2', price: 10, quantity: 1 }],
    },
  });
  await analytics.closeAndFlush();
  assert.deepEqual(errors, []);
  await server.drained();
  const types = await server.sql("SELECT type, count(*) FROM events WHERE user_id = 'seg-1' GROUP BY type ORDER BY type");
  assert.deepEqual(Object.fromEntries(types), { identify: 1, item_view: 10, page_view: 1, purchase: 1 });
  const [[lines, amount]] = await server.sql("SELECT count(*), sum(amount) FROM order_lines WHERE order_id = 'seg-o1'");
  assert.equal(lines, 2);
  assert.equal(Number(amount), 29.9);
});

test('retries leave one row each', async () => {
  const proxy = await forgetfulProxy(server.url, 2, 500);
  const analytics = new Analytics({ writeKey: 'test-key', host: proxy.url, flushAt: 20, maxRetries: 5 });
  for (let i = 0; i < 20; i++) {
    analytics.track({ userId: 'seg-2', event: 'Product Viewed', properties: { product_id: `seg-r${i}` } });
  }
  await analytics.closeAndFlush();
  proxy.close();
  const books = await server.drained();
  assert.ok(books.duplicate >= 20, `the retries were not seen: ${JSON.stringify(books)}`);
  assert.equal(books.balanced, true);
  const [[rows, ids]] = await server.sql(
    "SELECT count(*), count(DISTINCT message_id) FROM events WHERE user_id = 'seg-2'",
  );
  assert.deepEqual([rows, ids], [20, 20]);
});
