// ctest: timeout 600
// Real input from end to end: loaded by `millrace ingest`, asked for in SQL, and held against an independent count
// of the same files. Where a machine has no shared data these tests are skipped, with a message.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { csvRows as rows } from '../support/csv.mjs';
import { Server, run, sharedData } from '../support/millrace.mjs';

const missing = (name) => (sharedData(name) ? false : `no shared data: ${name} is not on this machine`);

async function ingest(server, ...args) {
  const done = await run(['ingest', ...args, '--data', server.data, '--json'], { timeoutMs: 300_000 });
  assert.equal(done.code, 0, done.stderr);
  const books = await server.drained(120_000);
  assert.equal(books.balanced, true, JSON.stringify(books));
  return JSON.parse(done.stdout);
}

const add = (map, key, n = 1) => map.set(key, (map.get(key) ?? (typeof n === "bigint" ? 0n : 0)) + n);

test('clickstream: one visit with ten events', { skip: missing('clickstream/sample.jsonl') }, async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const result = await ingest(server, 'visits', sharedData('clickstream/sample.jsonl'));
  assert.deepEqual([result.events, result.quarantined], [10, 0]);
  const [visit] = await server.sql('SELECT session_id, events, device_type, user_id FROM visits');
  assert.deepEqual(visit, ['SID-2824', 10, 'desktop', 'UID-1409']);
  const types = await server.sql('SELECT DISTINCT type FROM events ORDER BY type');
  for (const [type] of types) assert.ok(['add_to_cart', 'page_view', 'purchase'].includes(type), type);
  await server.stop();
});

test('news: 215,511 clicks, the busiest hour and the top ten articles', { skip: missing('news/clicks_hour_000.csv.gz') }, async (t) => {
  const folder = path.dirname(sharedData('news/clicks_hour_000.csv.gz'));
  const files = readdirSync(folder).filter((f) => f.startsWith('clicks_hour_')).sort().map((f) => path.join(folder, f));
  let clicks = 0;
  const hours = new Map();
  const articles = new Map();
  for (const file of files) {
    for await (const [, , , , article, ms] of rows(file)) {
      clicks++;
      add(hours, Math.floor(Number(ms) / 3_600_000));
      add(articles, article);
    }
  }
  assert.equal(clicks, 215_511);
  const server = await Server.start();
  t.after(() => server.stop());
  const result = await ingest(server, 'csv', '--map', 'examples/news/mappings/news_clicks.yaml', ...files);
  assert.deepEqual([result.rows, result.events + result.quarantined], [clicks, clicks]);
  const [[total]] = await server.sql('SELECT count(*) FROM events');
  assert.equal(total, clicks);
  const [[hour, most]] = await server.sql(
    "SELECT CAST(epoch(date_trunc('hour', event_time)) AS BIGINT) // 3600, count(*) FROM events GROUP BY 1 ORDER BY 2 DESC LIMIT 1");
  const [expectedHour, expectedMost] = [...hours].sort((a, b) => b[1] - a[1])[0];
  assert.deepEqual([Number(hour), most], [expectedHour, expectedMost]);
  const byCount = (a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1);
  const top = await server.sql('SELECT item_id, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC, item_id LIMIT 10');
  assert.deepEqual(top, [...articles].sort(byCount).slice(0, 10));
  // N7 with the real thing: never an article this reader has read.
  const [[reader]] = await server.sql('SELECT user_id FROM events GROUP BY 1 ORDER BY count(*) DESC LIMIT 1');
  const read = new Set((await server.sql(`SELECT DISTINCT item_id FROM events WHERE user_id = '${reader}'`)).map(([id]) => id));
  const { articles: offered } = await server.json(`/recommendation?userId=${reader}&numRecs=20`);
  assert.equal(offered.length, 20);
  assert.deepEqual(offered.filter((id) => read.has(id)), []);
  await server.stop();
});

test('retail: every row counted, revenue by country to the penny, nothing bought is offered again', { skip: missing('retail/online_retail.csv.gz') }, async (t) => {
  const file = sharedData('retail/online_retail.csv.gz');
  let lines = 0, returns = 0, unknown = 0;
  const revenue = new Map();
  for await (const [, , , quantity, , price, customer, country] of rows(file)) {
    lines++;
    if (Number(quantity) < 0) returns++;
    if (!customer) unknown++;
    // Exact: prices have up to three decimals, so count in thousandths.
    add(revenue, country, BigInt(quantity) * BigInt(Math.round(Number(price) * 1000)));
  }
  assert.equal(lines, 541_909);
  const server = await Server.start();
  t.after(() => server.stop());
  const result = await ingest(server, 'csv', '--map', 'examples/shop/mappings/online_retail.yaml', file);
  assert.equal(result.rows, lines);
  const [[loaded]] = await server.sql('SELECT count(*) FROM order_lines');
  const [[refused]] = await server.sql('SELECT coalesce(sum(events), 0) FROM quarantine');
  assert.ok(loaded + Number(refused) >= lines, `${loaded} lines and ${refused} refused of ${lines}`);
  assert.deepEqual(await server.sql("SELECT count(*) FROM order_lines WHERE type = 'refund'"), [[returns]]);
  assert.deepEqual(await server.sql('SELECT count(*) FROM order_lines WHERE user_id IS NULL'), [[unknown]]);
  const sums = new Map(await server.sql('SELECT country, CAST(sum(amount) AS VARCHAR) FROM order_lines GROUP BY 1'));
  for (const [country, thousandths] of revenue) {
    assert.equal(Math.round(Number(sums.get(country)) * 1000), Number(thousandths), country);
  }
  const [[customer]] = await server.sql("SELECT user_id FROM order_lines WHERE user_id IS NOT NULL GROUP BY 1 HAVING count(DISTINCT item_id) BETWEEN 20 AND 40 ORDER BY user_id LIMIT 1");
  const bought = new Set((await server.sql(`SELECT DISTINCT item_id FROM order_lines WHERE user_id = '${customer}' AND type = 'purchase'`)).map(([id]) => id));
  const answer = await server.json(`/v1/recommendations?user=${customer}&n=20`);
  assert.equal(answer.items.length, 20);
  assert.deepEqual(answer.items.map((i) => i.id).filter((id) => bought.has(id)), []);
  assert.equal(answer.fallback, null);
  await server.stop();
});

test('ratings: all 2,532', { skip: missing('ecommerce/ratings_ml_training_dataset.csv') }, async (t) => {
  const file = sharedData('ecommerce/ratings_ml_training_dataset.csv');
  const stars = new Map();
  for await (const row of rows(file)) add(stars, Number(row[11]));
  const server = await Server.start();
  t.after(() => server.stop());
  const result = await ingest(server, 'csv', '--map', 'examples/shop/mappings/ratings.yaml', file);
  assert.deepEqual([result.rows, result.events, result.quarantined], [2_532, 2_532, 0]);
  const found = await server.sql("SELECT CAST(value AS INTEGER), count(*) FROM events WHERE type = 'rating' GROUP BY 1 ORDER BY 1");
  assert.deepEqual(found, [...stars].sort((a, b) => a[0] - b[0]));
  await server.stop();
});
