// Features against a year of a real shop (C11): recency, frequency and spend before each invoice equal a slow, obviously
// right computation on a sample of customers; what is served equals what training gets.
// ctest: timeout 600
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { csvRows } from '../support/csv.mjs';
import { eventually, run, Server, sharedData, temporaryDir } from '../support/millrace.mjs';

const file = sharedData('retail/online_retail.csv.gz');

const view = `owner: sales-analytics
description: Recency, frequency and spend
entity: {customer: visitor}
flow: order_lines
features:
  last_order_time: {value: max(event_time), where: {type: purchase}, description: When they ordered last}
  orders: {value: distinct(order_id), where: {type: purchase}, description: How many orders}
  spent: {value: sum(amount), description: What they paid}
  spent_30d: {value: sum(amount), window: 30d, description: The same in the last 30 days}
`;
const set = `labels:
  from: |
    SELECT visitor AS customer, order_id, min(event_time) AS event_time FROM order_lines
    WHERE type = 'purchase' AND user_id IS NOT NULL GROUP BY ALL
  key: [customer, order_id]
  time: event_time
features: [buyer]
`;

/** London's clock as UTC; summer time of the year the file is of. */
function utc(text) {
  const time = Date.parse(`${text.replace(' ', 'T')}Z`);
  const summer = text >= '2011-03-27 01' && text < '2011-10-30 01';
  return summer ? time - 3_600_000 : time;
}

/** What was known of a customer before `at`, by looking at each line. */
function slowly(lines, at) {
  const day = 86_400_000;
  const from = Math.floor(at / day) * day + day - 30 * day; // 30 slices of a day, that of `at` the last
  let known = false, last = null, spent = 0n, recent = 0n;
  const orders = new Set();
  for (const line of lines) {
    if (line.time >= at) continue;
    known = true;
    spent += line.thousandths;
    if (line.time >= from) recent += line.thousandths;
    if (line.refund) continue;
    orders.add(line.invoice);
    if (last === null || line.time > last) last = line.time;
  }
  return known ? { last, orders: orders.size, spent, recent } : { last: null, orders: null, spent: null, recent: null };
}

test('retail: recency, frequency and spend before each invoice', { skip: file ? false : 'no shared data: retail/online_retail.csv.gz is not on this machine' }, async (t) => {
  const customers = new Map();
  const invoices = new Map();
  for await (const [invoice, , , quantity, date, price, customer] of csvRows(file)) {
    if (!invoices.has(invoice)) invoices.set(invoice, { time: utc(date), customer, refund: invoice.startsWith('C') || Number(quantity) < 0 });
    if (!customer) continue;
    const { time, refund } = invoices.get(invoice); // a line counts at its invoice's time
    if (!customers.has(customer)) customers.set(customer, []);
    customers.get(customer).push({ invoice, time, refund, thousandths: BigInt(quantity) * BigInt(Math.round(Number(price) * 1000)) });
  }
  assert.equal(customers.size, 4372);

  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  for (const [name, text] of [['features/buyer.yaml', view], ['training_sets/invoices.yaml', set]]) {
    mkdirSync(path.join(project, path.dirname(name)));
    writeFileSync(path.join(project, name), text);
  }
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const loaded = await run(['ingest', 'csv', '--map', 'examples/shop/mappings/online_retail.yaml', file, '--data', server.data], { timeoutMs: 300_000 });
  assert.equal(loaded.code, 0, loaded.stderr);
  await server.drained(120_000);
  const made = await run(['training-set', 'build', 'invoices', '--data', server.data, '--json'], { timeoutMs: 300_000 });
  assert.equal(made.code, 0, made.stderr);
  const answer = await server.fetch('/v1/training-sets/invoices/rows');
  const rows = (await answer.text()).trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.equal(rows.length, JSON.parse(made.stdout).training_sets[0].rows);
  assert.ok(rows.length > 18_000, `${rows.length}`);

  const time = (text) => (text === null ? null : Date.parse(`${text.replace(' ', 'T')}Z`));
  const money = (value) => (value === null ? null : BigInt(Math.round(value * 1000)));
  let compared = 0, returning = 0;
  for (const row of rows) {
    if (Number(row.customer) % 7 !== 0) continue; // a sample
    const expected = slowly(customers.get(row.customer), time(row.event_time));
    assert.deepEqual({ last: time(row.last_order_time), orders: row.orders, spent: money(row.spent), recent: money(row.spent_30d) }, expected, `customer ${row.customer}, invoice ${row.order_id}`);
    compared++;
    if (expected.orders > 0) returning++;
  }
  assert.ok(compared > 2_000 && returning > 1_000, `${compared} invoices compared, ${returning} with orders before`);

  // Served: everything, since the year is over; the last 30 days long past.
  const some = [...customers.keys()].filter((customer) => Number(customer) % 7 === 0).slice(0, 500);
  const wanted = some.map((customer) => slowly(customers.get(customer), Date.now()));
  await eventually('memory has the year', async () => {
    const body = await (await server.post('/v1/features/online', { features: ['buyer'], entities: { customer: some } })).json();
    const [, last, orders, spent, recent] = body.results.map(({ values }) => values);
    assert.deepEqual(some.map((_, i) => ({ last: last[i] && Date.parse(last[i]), orders: orders[i], spent: money(spent[i]), recent: money(recent[i]) })), wanted);
  });
  const parity = await run(['features', 'parity', '--all', '--json', '--data', server.data], { timeoutMs: 120_000 });
  assert.equal(parity.code, 0, parity.stdout.slice(0, 2000) + parity.stderr);
  assert.equal(JSON.parse(parity.stdout).views[0].entities, customers.size);
  t.diagnostic(`${compared} invoices of ${some.length}+ customers compared, ${returning} with orders before; parity of ${JSON.parse(parity.stdout).views[0].entities} entities`);
});
