// What docs/how-to/sources.md promises, run as it stands there against a MariaDB server: each block marked `<!-- source: NAME -->`. Only
// names of machines, the password, the binary's path and the data directory are replaced.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, binary, eventually, root, temporaryDir } from '../support/millrace.mjs';

const page = readFileSync(path.join(root, 'docs/how-to/sources.md'), 'utf8');
const blocks = Object.fromEntries([...page.matchAll(/<!-- source: ([\w.-]+) -->\s*```\w+\n([\s\S]*?)```/g)].map(([, name, text]) => [name, text]));

let db;
let data;
let project;
before(async () => {
  db = await MariaDb.start();
  data = await temporaryDir();
  project = await temporaryDir();
  await db.sql(`CREATE DATABASE shop; USE shop;
    CREATE TABLE customers (customerNumber INT PRIMARY KEY, country VARCHAR(50)); INSERT INTO customers VALUES (1, 'France');
    CREATE TABLE products (productCode VARCHAR(15) PRIMARY KEY, productName VARCHAR(70), productLine VARCHAR(50), image LONGBLOB); INSERT INTO products VALUES ('pot', 'Pot', 'Kitchen', X'00');
    CREATE TABLE orders (id INT, orderNumber INT PRIMARY KEY, orderDate DATE, status VARCHAR(15), customerNumber INT, updated_at DATETIME(3) DEFAULT NOW(3) ON UPDATE NOW(3), INDEX (updated_at));
    CREATE TABLE orderdetails (orderNumber INT, productCode VARCHAR(15), quantityOrdered INT, priceEach DECIMAL(10,2), PRIMARY KEY (orderNumber, productCode));
    INSERT INTO orders (id, orderNumber, orderDate, status, customerNumber) VALUES (7, 7, '2024-07-01', 'Shipped', 1); INSERT INTO orderdetails VALUES (7, 'pot', 2, 1.5)`);
  await grant(blocks.grants);
});
after(() => db.stop());

const grant = (sql) => db.sql(sql.replaceAll("'10.%'", "'127.0.0.1'").replace("'…'", `'${MariaDb.password}'`));

async function serve(t, config) {
  const here = config.replace('host: replica.internal', `host: 127.0.0.1\n    port: ${db.port}\n    allow_primary: true`);
  writeFileSync(path.join(project, 'millrace.yaml'), here);
  const server = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => server.stop({ keep: true }));
  return server;
}

test('a database is named, read and queried', async (t) => {
  const server = await serve(t, blocks['extract.yaml']);
  const commands = blocks.commands.replace('export READER_PASSWORD=…\n', '').replace('millrace up --project my-shop &\n', '')
    .replaceAll(/^millrace (\w+)/gm, `${binary} $1 --data ${server.data}`);
  const done = spawnSync('bash', ['-euo', 'pipefail', '-c', commands], { encoding: 'utf8', timeout: 60_000 });
  assert.equal(done.status, 0, done.stdout + done.stderr);
  assert.match(done.stdout, /Shipped\s+1/);
});

test('it is followed, and has a history', async (t) => {
  await grant(blocks['follow-grants']);
  const server = await serve(t, blocks['follow.yaml']);
  await eventually('all tables are there', async () => assert.equal((await server.sql("SELECT count(*) FROM shop.orderdetails"))[0][0], 1));
  await db.sql("UPDATE orders SET status = 'Returned' WHERE id = 7", { database: 'shop' });
  const [, query] = /`(SELECT \* FROM shop_history\.orders[^`]*)`/.exec(page);
  await eventually('both versions are there', async () => assert.equal((await server.sql(query)).length, 2));
});

test('its orders become purchases', async (t) => {
  mkdirSync(path.join(project, 'mappings'));
  writeFileSync(path.join(project, 'mappings/shop_orders.yaml'), blocks.mapping);
  const orders = blocks['orders.yaml'].slice(blocks['orders.yaml'].indexOf('    orders:'));
  const server = await serve(t, blocks['follow.yaml'] + orders);
  await eventually('the order is a purchase', async () => assert.deepEqual(
    await server.sql('SELECT order_id, item_name, category, quantity, amount, currency, country, user_id FROM order_lines'), [['7', 'Pot', 'Kitchen', '2.0000', '3.0000', 'USD', 'France', '1']]));
});
