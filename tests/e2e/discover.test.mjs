// Files of a folder and tables of a source are discovered: mappings and contracts are proposed, and work as they stand (C13).
// ctest: timeout 240
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { heedingPermissions, run, Server, sharedData, temporaryDir } from '../support/millrace.mjs';

async function discovered(...args) {
  const done = await run(['discover', ...args, '--json']);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

/** Write proposals, hold the contracts against `contract check`, load the files by the mappings; returns what ingest counted. */
async function proposeAndLoad(t, what, { args = [], force = true } = {}) {
  const out = await temporaryDir();
  const { proposals } = await discovered(what, '--out', out, ...args);
  for (const name of readdirSync(path.join(out, 'contracts'))) {
    const checked = await run(['contract', 'check', path.join(out, 'contracts', name)]);
    assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  }
  // In force, the contracts refuse nothing of what they were proposed from.
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  mkdirSync(path.join(project, 'contracts'));
  for (const name of force ? readdirSync(path.join(out, 'contracts')) : [])
    writeFileSync(path.join(project, 'contracts', name), readFileSync(path.join(out, 'contracts', name), 'utf8').replace('status: proposed', 'status: active'));
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const counts = {};
  for (const { name, files, mapping, format } of proposals) {
    const produce = /^produce: (\w+)/m.exec(mapping)?.[1] ?? format;
    const done = await run(['ingest', produce, '--map', path.join(out, 'mappings', `${name}.yaml`), '--data', server.data, '--json', ...files]);
    assert.equal(done.code, 0, done.stderr);
    counts[name] = JSON.parse(done.stdout);
  }
  return { server, counts, out, proposals };
}

test('what is proposed for a file is read by ingest as it stands, and is never put over what is there', async (t) => {
  const dir = await temporaryDir();
  const file = path.join(dir, 'orders_2026.csv.gz');
  let rows = 'InvoiceNo,CustomerID,StockCode,Description,Quantity,UnitPrice,InvoiceDate\n';
  for (let n = 0; n < 300; n++) rows += `${n / 3 | 0},c${n % 40},p${n % 17},"Rake, ""large""",${n % 50 === 7 ? -1 : 1 + (n % 3)},${n}.50,2026-11-0${1 + (n % 9)} 09:30:00\n`;
  writeFileSync(file, gzipSync(rows));
  const { server, counts, out } = await proposeAndLoad(t, file);
  assert.equal(counts.orders.quarantined, 0);
  await server.drained();
  assert.deepEqual((await server.sql('SELECT DISTINCT type FROM events ORDER BY 1')).flat(), ['purchase', 'refund']);

  const before = readFileSync(path.join(out, 'mappings/orders.yaml'), 'utf8');
  writeFileSync(path.join(out, 'mappings/orders.yaml'), 'mine\n');
  const refused = await run(['discover', file, '--out', out]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /mappings\/orders\.yaml: is there already, and nothing was written; --force replaces it/);
  assert.equal(readFileSync(path.join(out, 'mappings/orders.yaml'), 'utf8'), 'mine\n');
  const forced = await run(['discover', file, '--out', out, '--force']);
  assert.equal(forced.code, 0, forced.stderr);
  assert.equal(readFileSync(path.join(out, 'mappings/orders.yaml'), 'utf8'), before);
  assert.match(forced.stdout, /InvoiceDate +time +0 % +9 +2026-11-01 09:30:00 +2026-11-09 09:30:00 +time \(iso\)/);
  assert.match(forced.stdout, /note: InvoiceDate does not say its zone: UTC was taken/);
  assert.match(forced.stdout, /Next:\n {2}millrace contract check .*contracts\/orders\.yaml\n {2}millrace ingest csv --map .*mappings\/orders\.yaml .*orders_2026\.csv\.gz\n$/);
  const looked = await run(['discover', file]);
  assert.match(looked.stdout, /Nothing was written\. Next:\n {2}millrace discover .* --out proposals/);
});

test('nested JSON is discovered as ingest reads it', async (t) => {
  const dir = await temporaryDir();
  const lines = path.join(dir, 'views.jsonl');
  writeFileSync(lines, Array.from({ length: 50 }, (_, n) => JSON.stringify({ visitor: { id: `v${n % 9}` }, product: { id: n % 5, price: 1.5 }, at: `2026-11-01T10:00:${String(n % 60).padStart(2, '0')}Z`, timestamp: 1790000000 + n, device: n % 2 ? 'phone' : 'desk', deep: [1] })).join('\n'));
  const { server, counts, proposals } = await proposeAndLoad(t, lines);
  assert.equal(counts.views.events, 50);
  assert.equal(counts.views.quarantined, 0);
  assert.deepEqual(proposals[0].types, ['item_view']);
  await server.drained();
  assert.deepEqual((await server.sql('SELECT DISTINCT type, device_type FROM events ORDER BY 2')), [['item_view', 'desk'], ['item_view', 'phone']]);
});

test('orders with their lines: each line is a row, each order a purchase', async (t) => {
  const dir = await temporaryDir();
  const file = path.join(dir, 'orders.json.gz');
  writeFileSync(file, gzipSync(JSON.stringify(Array.from({ length: 40 }, (_, n) => ({
    id: `o${n}`, customer: { id: n % 7 }, placed_at: `2026-10-0${1 + (n % 9)}T10:00:00Z`, currency: 'EUR',
    lines: Array.from({ length: 1 + (n % 3) }, (__, i) => ({ sku: `p${i}`, quantity: 1 + i, price: 2.25 })),
  })), null, 1)));
  const { server, counts } = await proposeAndLoad(t, file);
  assert.deepEqual([counts.orders.events, counts.orders.quarantined], [40, 0]);
  await server.drained();
  assert.deepEqual((await server.sql('SELECT count(DISTINCT order_id), count(*) FROM order_lines'))[0].map(Number), [40, 79]);
});

test('a folder: files that are alike are one set, others are named, and bad ones do not stop them', async () => {
  const dir = await temporaryDir();
  const put = (name, content) => {
    mkdirSync(path.join(dir, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(dir, name), content);
  };
  for (let hour = 0; hour < 4; hour++) put(`raw/dt=2026-11-01/hour=${hour}/part-${hour}.csv`, 'user_id,item_id,time\nu,i,2026-11-01\n');
  put('visits_1.jsonl', '{"session_id":"s","user_id":"u","events":[{"event":{"event_type":"page_view","timestamp":"2024-07-01T09:00:00","details":{"page_url":"u"}}}]}\n');
  put('torn.csv.gz', gzipSync('a,b\n' + '1,2\n'.repeat(50_000)).subarray(0, 200));
  put('picture.csv', Buffer.from([0x89, 0x50, 0, 1, 2]));
  put('empty.csv', '');
  put('notes.md', 'x');
  const done = await run(['discover', dir, '--json']);
  assert.equal(done.code, 1);
  const { proposals, problems } = JSON.parse(done.stdout);
  assert.deepEqual(proposals.map(({ name, files, known_format }) => [name, files.length, known_format]), [['raw', 4, ''], ['visits', 1, 'visits']]);
  assert.equal(problems.length, 3);
  assert.match(problems.find((p) => p.includes('torn')), /cut short|damaged/);
  assert.match(problems.find((p) => p.includes('picture')), /byte 3 is 0, as in binary files/);
  assert.match(problems.find((p) => p.includes('empty')), /the file is empty/);
  const told = await run(['discover', dir]);
  assert.match(told.stdout, /raw\/dt=\*\/hour=\*\/part-\*\.csv: 4 files/);
  assert.match(told.stdout, /millrace ingest visits .*visits_1\.jsonl/);
  assert.match(told.stdout, /1 file passed over, .* such as notes\.md/);
  assert.match(told.stderr, /picture\.csv/);
});

test('names of columns and files are only names', async (t) => {
  const dir = await temporaryDir();
  const secret = path.join(dir, 'secret.txt');
  writeFileSync(secret, 'hunter2\n');
  const file = path.join(dir, 'its own\nsource: x.csv');
  writeFileSync(file, `user_id,sku,at,\${file:${secret}} price,order,kind\n` + `u,A,2026-11-01 10:00:00,9,x,\${file:${secret}}\n`.repeat(30));
  const { server, counts, out } = await proposeAndLoad(t, file);
  assert.deepEqual(Object.values(counts).map(({ events, quarantined }) => [events, quarantined]), [[30, 0]]);
  await server.drained();
  const said = await run(['discover', file]);
  assert.match(said.stdout, new RegExp(`millrace discover '${dir}/its own source: x.csv' --out proposals`));
  const written = readdirSync(out, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'utf8'));
  assert.equal(written.length, 2);
  for (const text of [said.stdout, said.stderr, ...written, JSON.stringify(await server.sql('SELECT * FROM events'))]) assert.doesNotMatch(text, /hunter2/);
});

test('mistakes are told', async () => {
  const dir = await temporaryDir();
  const nothing = await run(['discover', path.join(dir, 'none')]);
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /there is no such file or folder; for a source, --project names the folder/);
  assert.match((await run(['discover', dir])).stderr, /there are no data files in it/);
  const closed = path.join(dir, 'closed');
  mkdirSync(closed, { mode: 0o000 });
  const denied = await run(['discover', closed], { through: heedingPermissions });
  assert.equal(denied.code, 1);
  assert.match(denied.stderr, /closed/);
  const help = await run(['discover', '--help']);
  assert.match(help.stdout, /millrace discover orders\.csv\.gz/);
  writeFileSync(path.join(dir, 'mixed.csv'), 'a,b\n1,2,3\n4\n5,6,7,8\n');
  assert.match((await run(['discover', path.join(dir, 'mixed.csv')])).stderr, /3 of the first 3 rows cannot be read \(line 2: /);
});

test('a database: tables, keys and contracts that its copy keeps', async (t) => {
  const db = await MariaDb.start();
  t.after(() => db.stop());
  await db.sql(`CREATE DATABASE shop; USE shop;
    CREATE TABLE customers (id INT UNSIGNED PRIMARY KEY, name VARCHAR(40) NOT NULL, note TEXT);
    CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INT UNSIGNED NOT NULL, status ENUM('new','it''s paid') NOT NULL, total DECIMAL(10,2), placed DATETIME, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
      FOREIGN KEY (customer) REFERENCES customers (id), KEY (updated_at));
    CREATE TABLE remarks (what VARCHAR(10));
    INSERT INTO customers VALUES (1, 'a', NULL); INSERT INTO orders (id, customer, status, total) VALUES (1, 1, 'it''s paid', 9.5);`);
  const project = await db.project('shop', { database: 'shop' });
  const out = await temporaryDir();
  const done = await run(['discover', 'shop', '--project', project, '--out', out], { env: readerEnv });
  assert.equal(done.code, 0, done.stderr);
  assert.match(done.stdout, /orders +6 +\d+ +id +updated_at/);
  assert.match(done.stdout, /remarks +1 +\d+ +no key/);
  assert.ok(!done.stdout.includes(MariaDb.password));
  assert.match(readFileSync(path.join(out, 'sources/shop.yaml'), 'utf8'), /tables:\n {2}customers: \{\}\n {2}orders: \{cursor: updated_at\}\n {2}remarks: \{whole: true\}\n/);
  const contract = readFileSync(path.join(out, 'contracts/shop_orders.yaml'), 'utf8');
  assert.match(contract, /validValues: \["new", "it's paid"\]/);
  assert.match(contract, /relationships: \[\{to: shop\.customers\.id\}\]/);
  // In force, the contracts hold for the copy.
  mkdirSync(path.join(project, 'contracts'), { recursive: true });
  for (const name of readdirSync(path.join(out, 'contracts')))
    writeFileSync(path.join(project, 'contracts', name), readFileSync(path.join(out, 'contracts', name), 'utf8').replace('status: proposed', 'status: active'));
  const yaml = readFileSync(path.join(project, 'millrace.yaml'), 'utf8');
  assert.ok(!existsSync(path.join(project, 'mappings')), yaml);
  const server = await Server.start({ args: ['--project', project], env: readerEnv });
  t.after(() => server.stop());
  const extracted = await run(['extract', 'shop', '--tables', 'customers,orders', '--data', server.data]);
  assert.equal(extracted.code, 0, extracted.stderr);
  const checked = await run(['contract', 'check-tables', 'shop.orders', '--data', server.data]);
  assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  assert.match((await run(['discover', 'shops', '--project', project], { env: readerEnv })).stderr, /no such file, folder, or source in millrace\.yaml/);
});

const clicks = sharedData('news/clicks_hour_000.csv.gz');
test('the shared data: clicks, invoices, ratings, articles and products', { skip: clicks ? false : 'no shared data' }, async (t) => {
  const news = await proposeAndLoad(t, path.dirname(clicks), { args: ['--sample', '2MiB'] });
  assert.equal(news.counts.clicks_hour.failed_files, 0);
  assert.equal(news.counts.clicks_hour.quarantined, 0);
  assert.equal(news.counts.clicks_hour.files.length, 36);
  assert.equal(news.counts.articles_metadata_subset.events, 7732);
  t.diagnostic(`${news.counts.clicks_hour.events} clicks`);
  const retail = await proposeAndLoad(t, sharedData('retail/online_retail.csv.gz'), { args: ['--sample', '1GiB'] });
  t.diagnostic(`${retail.counts.online_retail.events} purchases and refunds, ${retail.counts.online_retail.quarantined} refused`);
  assert.ok(retail.counts.online_retail.events > 25_000);
  assert.ok(retail.counts.online_retail.quarantined < 100);
  const ratings = await proposeAndLoad(t, sharedData('ecommerce/ratings_ml_training_dataset.csv'));
  assert.equal(ratings.counts.ratings_ml_training_dataset.events, 2532);
  assert.equal(ratings.counts.ratings_ml_training_dataset.quarantined, 0);
  const visits = await run(['discover', sharedData('clickstream/sample.jsonl')]);
  assert.match(visits.stdout, /these are events in the format visits[\s\S]*millrace ingest visits/);
});
