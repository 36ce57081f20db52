// ctest: timeout 200
// Transforms over tables, as their user runs them: the shipped ones over simulated events, a kill -9 in the middle of runs, a
// file that is wrong, a run without a server.
import assert from 'node:assert/strict';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { root, run, Server, temporaryDir } from '../support/millrace.mjs';

const project = await temporaryDir();
const data = await temporaryDir();
await cp(path.join(root, 'examples/shop/transforms'), path.join(project, 'transforms'), { recursive: true });
await writeFile(path.join(project, 'millrace.yaml'), '{}\n');
let server;
after(async () => {
  await server?.stop();
  for (const dir of [project, data]) await rm(dir, { recursive: true, force: true });
});

const start = () => Server.start({ data, args: ['--project', project] });
const transforms = (...args) => run(['run', 'transforms', '--data', data, ...args]);
const pairs = [
  ['SELECT count(*), sum(page_views), sum(purchases) FROM analytics.visits', 'SELECT count(*), sum(page_views), sum(purchases) FROM visits'],
  ['SELECT count(*), sum(amount), sum(quantity) FROM analytics.purchase_items', 'SELECT count(*), sum(amount), sum(quantity) FROM order_lines'],
  ['SELECT sum(amount) FROM analytics.sales_by_day', 'SELECT sum(amount) FROM order_lines'],
  ['SELECT count(*) FROM analytics.page_views', "SELECT count(*) FROM events WHERE type = 'page_view'"],
];
async function same() {
  for (const [ours, theirs] of pairs) assert.deepEqual(await server.sql(ours), await server.sql(theirs), ours);
}

test('the shipped ones over simulated events', async () => {
  server = await start();
  const simulated = await run(['simulate', '--target', server.url, '--visits-per-minute', '3000', '--minutes', '0.05', '--think', '0.02', '--seed', '5']);
  assert.equal(simulated.code, 0, simulated.stderr);
  await server.drained();
  const done = await transforms('--json');
  assert.equal(done.code, 0, done.stderr);
  const outcomes = JSON.parse(done.stdout);
  assert.deepEqual(outcomes.notes, []);
  assert.equal(outcomes.transforms.length, 11);
  await same();
  assert.ok((await server.sql('SELECT count(*) FROM analytics.purchase_items'))[0][0] > 0);
});

test('a kill in the middle leaves nothing out and nothing twice', async () => {
  for (let i = 0; i < 6; ++i) {
    const running = transforms('--full');
    await new Promise((resolve) => setTimeout(resolve, 15 + i * 25));
    await server.kill();
    await running;
    server = await start();
  }
  const done = await transforms();
  assert.equal(done.code, 0, done.stderr + done.stdout);
  await same();
  const list = JSON.parse((await run(['run', '--list', '--json', '--data', data])).stdout).transforms;
  for (const one of list) assert.equal(one.state, 'done', JSON.stringify(one));
});

test('a file loaded again changes the days it was in and those it is in now', async () => {
  const file = path.join(project, 'invoices.csv');
  await writeFile(file, 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,A,A,2,2010-12-01 08:00:00,1.50,7,France\n2,B,B,1,2010-12-03 08:00:00,3.00,7,France\n');
  const shipped = await readFile(path.join(root, 'examples/shop/mappings/online_retail.yaml'), 'utf8');
  const days = async (zone) => {
    const map = path.join(project, 'map.yaml');
    await writeFile(map, shipped.replace('Europe/London', zone));
    const loaded = await run(['ingest', 'csv', '--data', data, '--map', map, '--again', file]);
    assert.equal(loaded.code, 0, loaded.stderr);
    await server.drained();
    const done = await transforms();
    assert.equal(done.code, 0, done.stderr + done.stdout);
    await same();
    return server.sql("SELECT dt, order_id FROM analytics.purchases WHERE source = 'online_retail' ORDER BY order_id");
  };
  assert.deepEqual(await days('Europe/London'), [['2010-12-01', '1'], ['2010-12-03', '2']]);
  assert.deepEqual(await days('Asia/Tokyo'), [['2010-11-30', '1'], ['2010-12-02', '2']]);
});

test('a file that is wrong is named with its line, and nothing changes', async () => {
  const file = path.join(project, 'transforms', 'broken.sql');
  await writeFile(file, 'SELECT visit_id,\n  landing_pag\nFROM ref(\'visits\')\n');
  const refused = await transforms();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /broken\.sql:2.*landing_pag/);
  await writeFile(file, "SELECT CAST(landing_page AS BIGINT) AS n FROM ref('visits')\n");
  const failed = await transforms('--select', '+broken');
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /failed\s+broken[\s\S]*broken\.sql: Could not convert/);
  assert.match((await run(['run', '--list', '--data', data])).stdout, /failed\s+analytics\.broken/);
  await rm(file);
  await same();
  assert.equal((await run(['run', 'transform', '--data', data])).code, 2);
});

test('the page is the one in docs; only administrators may ask', async () => {
  const page = await run(['run', 'docs', '--data', data]);
  assert.match(page.stdout, /^# The analyst schema[\s\S]*main_events --> visits/);
  assert.equal((await server.fetch('/v1/transforms', { headers: { authorization: 'Bearer wrong' } })).status, 401);
  for (const body of [{ select: 'visits' }, { from: 5 }, { form: '2026-01-01' }])
    assert.equal((await server.asAdmin('POST', '/v1/transforms/run', body)).status, 400, JSON.stringify(body));
});

test('without a server too', async () => {
  await server.stop();
  const done = await transforms('--project', project, '--select', 'visits+');
  assert.equal(done.code, 0, done.stderr);
  server = await start();
  await same();
});
