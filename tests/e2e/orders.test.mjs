// ctest: timeout 600
// Orders of a real MariaDB server become purchases: what the tables and the dashboard say of sales equals the source's own SQL.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, eventually, root, run, sharedData, temporaryDir } from '../support/millrace.mjs';

let db;
before(async () => (db = await MariaDb.start()));
after(() => db.stop());

const shop = `CREATE TABLE customers (customerNumber INT PRIMARY KEY, country VARCHAR(50));
  CREATE TABLE products (productCode VARCHAR(15) PRIMARY KEY, productName VARCHAR(70), productLine VARCHAR(50));
  CREATE TABLE orders (orderNumber INT PRIMARY KEY, orderDate DATETIME NOT NULL, status VARCHAR(15) NOT NULL, customerNumber INT NOT NULL);
  CREATE TABLE orderdetails (orderNumber INT, productCode VARCHAR(15), quantityOrdered INT NOT NULL, priceEach DECIMAL(10,2) NOT NULL, PRIMARY KEY (orderNumber, productCode));
  INSERT INTO customers VALUES (1, 'France'), (2, 'USA'); INSERT INTO products VALUES ('pot', 'Pot', 'Kitchen'), ('rake', 'Rake', 'Garden'), ('rose', 'Rose', 'Garden');`;

const orders = {
  map: 'mappings/orders.yaml',
  head: { orders: 'orderNumber' },
  lines: { orderdetails: 'orderNumber' },
  join: { customers: { customerNumber: 'orders.customerNumber' }, products: { productCode: 'orderdetails.productCode' } },
};

const mapping = `source: web
only: {orders.status: {is_not: [Cancelled, Disputed]}}
type: purchase
time: {column: orders.orderDate, format: "%Y-%m-%d %H:%M:%S"}
fields: {user_id: orders.customerNumber, country: customers.country}
order: {order_id: orders.orderNumber, revenue: sum_of_items, currency: {constant: EUR}}
item:
  item_id: orderdetails.productCode
  name: products.productName
  category: products.productLine
  quantity: orderdetails.quantityOrdered
  price: orderdetails.priceEach
`;

async function shopProject(name, { map = mapping, settings = {}, ...more } = {}) {
  const project = await db.project(name, { database: name, follow: true, orders: { ...orders, wait: '300ms', ...more }, ...settings });
  mkdirSync(path.join(project, 'mappings'));
  writeFileSync(path.join(project, 'mappings/orders.yaml'), map);
  return project;
}

async function serve(t, project, data) {
  const server = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => server.kill());
  return server;
}

const streaming = (server) => eventually('it follows', async () => {
  const { sources } = await (await server.asAdmin('GET', '/v1/extracts')).json();
  assert.equal(sources[0].follow.state, 'streaming', JSON.stringify(sources[0].follow));
}, 60_000);

/** What the source's own SQL says of each order that counts: its lines and what they are worth. */
const atSource = (database, where = "status NOT IN ('Cancelled', 'Disputed')") => db.rows(`SELECT orderNumber, COUNT(*), CAST(SUM(quantityOrdered) AS CHAR), CAST(SUM(quantityOrdered * priceEach) AS CHAR), DATE_FORMAT(MIN(orderDate), '%Y-%m-%d %H:%i:%s'), TRIM(MIN(country))
  FROM orders JOIN orderdetails USING (orderNumber) LEFT JOIN customers USING (customerNumber) WHERE ${where} GROUP BY orderNumber ORDER BY orderNumber`, database);

const inTables = (server, more = '') => server.sql(`SELECT order_id, count(*)::VARCHAR, sum(quantity)::DECIMAL(18,0)::VARCHAR, sum(amount)::DECIMAL(18,2)::VARCHAR, strftime(min(event_time), '%Y-%m-%d %H:%M:%S'), min(country)
  FROM order_lines WHERE type = 'purchase' ${more} GROUP BY order_id ORDER BY order_id::INTEGER`);

/** Wait until the tables say what the source says; then the aggregation and the dashboard do too. */
async function equalSales(server, database, limitMs = 40_000) {
  await eventually('sales equal the source', async () => assert.deepEqual(await inTables(server), await atSource(database)), limitMs)
    .catch((error) => { throw new Error(`${error.message}\n${server.stderr.slice(-3000)}`); });
  const [[revenue, quantity]] = await db.rows("SELECT COALESCE(SUM(quantityOrdered * priceEach), 0), COALESCE(SUM(quantityOrdered), 0) FROM orders JOIN orderdetails USING (orderNumber) WHERE status NOT IN ('Cancelled', 'Disputed')", database);
  const [[kept, pieces]] = await server.sql('SELECT coalesce(sum(revenue), 0)::DOUBLE, coalesce(sum(quantity), 0)::DOUBLE FROM sales_by_hour');
  assert.deepEqual([kept, pieces], [Number(revenue), Number(quantity)]);
  await eventually('the dashboard says so', async () => assert.ok(Math.abs((await sold(server)) - Number(revenue)) < 0.001, `${await sold(server)} and not ${revenue}`), 10_000);
}

/** Revenue of the dashboard's sales. */
async function sold(server) {
  const { sales_by_category } = await server.json('/v1/dashboard?window=all');
  return (sales_by_category ?? []).reduce((sum, row) => sum + Number(row.revenue), 0);
}

const purchase = (id, lines, extra = {}) => ({
  type: 'purchase', message_id: `m-${id}-${Math.random()}`, user_id: '1', country: 'France', event_time: '2024-07-01T12:00:00Z', recommendation_id: 'r-7',
  items: lines.map(([item_id, quantity, price]) => ({ item_id, quantity, price })),
  order: { order_id: String(id), revenue: lines.reduce((sum, [, quantity, price]) => sum + quantity * price, 0), currency: 'EUR' }, ...extra,
});

async function send(server, ...events) {
  const answer = await server.post('/v1/events', events);
  assert.equal(answer.status, 200, await answer.text());
}

const order = (id, status, lines) => `BEGIN; INSERT INTO orders VALUES (${id}, '2024-07-01 12:00:00', '${status}', 1); ${lines.map(([code, quantity, price]) => `INSERT INTO orderdetails VALUES (${id}, '${code}', ${quantity}, ${price});`).join(' ')} COMMIT;`;

test('an order is on the dashboard seconds after it was committed, changed, cancelled and deleted with its row', async (t) => {
  await db.sql(`CREATE DATABASE sales; USE sales; ${shop}`);
  const server = await serve(t, await shopProject('sales', { wait: '2s' }));
  await streaming(server);
  const times = [];
  for (let id = 1; id <= 5; ++id) {
    const began = performance.now();
    await db.sql(order(id, 'In Process', [['pot', 2, 10.5], ['rake', 1, 20]]), { database: 'sales' });
    await eventually('it is on the dashboard', async () => assert.equal(await sold(server), 41 * id));
    times.push(Math.round(performance.now() - began));
  }
  t.diagnostic(`from the commit at the source to the dashboard's sales: ${times.join(', ')} ms, of which 2000 ms are the wait for an event of the same order`);
  assert.deepEqual(await server.sql("SELECT item_id, item_name, category, quantity, amount, currency, country, user_id, source FROM order_lines WHERE order_id = '1' ORDER BY item_id"),
    [['pot', 'Pot', 'Kitchen', '2.0000', '21.0000', 'EUR', 'France', '1', 'web'], ['rake', 'Rake', 'Garden', '1.0000', '20.0000', 'EUR', 'France', '1', 'web']]);
  const steps = [
    'UPDATE orderdetails SET quantityOrdered = 7 WHERE orderNumber = 1',
    "DELETE FROM orderdetails WHERE orderNumber = 2 AND productCode = 'rake'; INSERT INTO orderdetails VALUES (2, 'rose', 3, 1.25)",
    "UPDATE orders SET status = 'Cancelled' WHERE orderNumber = 3",
    'DELETE FROM orderdetails WHERE orderNumber = 4; DELETE FROM orders WHERE orderNumber = 4',
    "UPDATE orders SET status = 'Shipped', orderDate = '2024-07-02 08:00:00', customerNumber = 2 WHERE orderNumber = 5",
    "UPDATE orders SET status = 'In Process' WHERE orderNumber = 3",
    'UPDATE orders SET orderNumber = 50 WHERE orderNumber = 5; UPDATE orderdetails SET orderNumber = 50 WHERE orderNumber = 5',
    order(4, 'Shipped', [['rake', 9, 2]]),
    'DELETE FROM orderdetails',
  ];
  for (const step of steps) {
    await db.sql(step, { database: 'sales' });
    await equalSales(server, 'sales');
  }
  // What changes an order's status alone tells nothing, and what was told stays as events.
  assert.deepEqual(await server.sql("SELECT type, count(*) FROM events GROUP BY type"), [['order_removed', 6]]);
});

test('an order that is seen as an event and in the database counts once, whichever came first', async (t) => {
  await db.sql(`CREATE DATABASE both_; USE both_; ${shop}`);
  const server = await serve(t, await shopProject('both_'));
  await streaming(server);
  const lines = [['pot', 2, 10.5], ['rake', 1, 20]];
  const counted = (id) => server.sql(`SELECT count(DISTINCT (log_partition, log_offset)), count(*), max(recommendation_id) FROM order_lines WHERE order_id = '${id}'`);
  const settled = async () => {
    await sleep(1000);
    await server.drained();
  };
  // The event first: it stays, with the recommendation that led to it.
  await send(server, purchase(1, lines));
  await eventually('the event is there', async () => assert.deepEqual(await counted(1), [[1, 2, 'r-7']]));
  await db.sql(order(1, 'In Process', lines), { database: 'both_' });
  await settled();
  await equalSales(server, 'both_');
  assert.deepEqual(await counted(1), [[1, 2, 'r-7']]);
  const middle = new Date().toISOString();
  await sleep(20);
  // The database first.
  await db.sql(order(2, 'In Process', lines), { database: 'both_' });
  await eventually('the order is there', async () => assert.deepEqual(await counted(2), [[1, 2, null]]));
  await send(server, purchase(2, lines), purchase(2, [['pot', 1, 1]]));
  await settled();
  assert.deepEqual(await counted(2), [[1, 2, null]]);
  await equalSales(server, 'both_');
  // An event that says otherwise gives way to the database; so does one once its order is changed.
  await send(server, purchase(3, [['pot', 1, 99]]));
  await db.sql(`${order(3, 'In Process', lines)} UPDATE orderdetails SET quantityOrdered = 5 WHERE orderNumber = 1`, { database: 'both_' });
  await equalSales(server, 'both_');
  // Made anew from the middle on, or from the beginning, the tables say the same.
  for (const from of [middle, 'lake']) {
    const replayed = await run(['replay', '--into', 'main', '--from', from, '--data', server.data]);
    assert.equal(replayed.code, 0, replayed.stderr);
    await equalSales(server, 'both_');
  }
  // And back to what the event said, then cancelled.
  await db.sql("UPDATE orderdetails SET quantityOrdered = 2 WHERE orderNumber = 1 AND productCode = 'pot'; UPDATE orderdetails SET quantityOrdered = 1 WHERE orderNumber = 1 AND productCode = 'rake'", { database: 'both_' });
  await equalSales(server, 'both_');
  await db.sql("UPDATE orders SET status = 'Cancelled'", { database: 'both_' });
  await equalSales(server, 'both_');
  await send(server, purchase(1, lines), purchase(2, lines));
  await settled();
  await equalSales(server, 'both_');
  // Another shop's order of the same number is another one.
  await (await server.post('/v1/events', [purchase(70, lines)])).text();
  await eventually('it counts', async () => assert.equal((await counted(70))[0][1], 2));
});

test('through kills, while orders are placed and changed, sales equal the source in the end; a replay makes the same', async (t) => {
  await db.sql(`CREATE DATABASE kills; USE kills; ${shop}`);
  const project = await shopProject('kills', { wait: '50ms' });
  const data = await temporaryDir();
  let server = await serve(t, project, data);
  await streaming(server);
  let id = 0;
  for (let round = 0; round < 8; ++round) {
    const statements = [];
    for (let i = 0; i < 40; ++i) {
      statements.push(order(++id, 'In Process', [['pot', 1 + (id % 5), 10], ['rose', 1 + (id % 3), 2.5]]));
      if (id % 3 === 0) statements.push(`UPDATE orderdetails SET quantityOrdered = quantityOrdered + 1 WHERE orderNumber = ${id - 2};`);
      if (id % 7 === 0) statements.push(`UPDATE orders SET status = 'Cancelled' WHERE orderNumber = ${id - 3};`);
      if (id % 11 === 0) statements.push(`DELETE FROM orderdetails WHERE orderNumber = ${id - 5}; DELETE FROM orders WHERE orderNumber = ${id - 5};`);
    }
    await db.sql(statements.join('\n'), { database: 'kills' });
    await send(server, purchase(id, [['pot', 1 + (id % 5), 10], ['rose', 1 + (id % 3), 2.5]]));
    await sleep(100 + 90 * round);
    await server.kill();
    server = await serve(t, project, data);
  }
  await equalSales(server, 'kills', 60_000);
  const replayed = await run(['replay', '--into', 'replay_check', '--data', data]);
  assert.equal(replayed.code, 0, replayed.stderr);
  assert.deepEqual(await server.sql("SELECT order_id, sum(amount)::VARCHAR FROM replay_check.order_lines GROUP BY ALL ORDER BY ALL"),
    await server.sql('SELECT order_id, sum(amount)::VARCHAR FROM order_lines GROUP BY ALL ORDER BY ALL'));
  const exchanged = await run(['replay', '--into', 'main', '--from', 'lake', '--data', data]);
  assert.equal(exchanged.code, 0, exchanged.stderr);
  await equalSales(server, 'kills');
  // A new snapshot tells nothing that was told.
  const [[events]] = await server.sql('SELECT max(log_offset) FROM events');
  await (await server.asAdmin('POST', '/v1/extracts', { source: 'kills', restart: true })).text();
  await sleep(1500);
  await equalSales(server, 'kills');
  assert.deepEqual(await server.sql('SELECT max(log_offset) FROM events'), [[events]]);
});

test('classicmodels: all orders of the sample database, from a snapshot on', { skip: sharedData('ecommerce/mysqlsampledatabase.sql') ? false : 'no shared data' }, async (t) => {
  await db.sql(readFileSync(sharedData('ecommerce/mysqlsampledatabase.sql')));
  const server = await serve(t, await shopProject('classicmodels', { map: mapping.replace('%Y-%m-%d %H:%M:%S', '%Y-%m-%d') }));
  await equalSales(server, 'classicmodels', 60_000);
  assert.equal((await inTables(server)).length, 317);
  await db.sql("UPDATE orderdetails SET priceEach = priceEach + 1 WHERE productCode = 'S18_1749'; UPDATE orders SET status = 'Cancelled' WHERE orderNumber % 10 = 3; UPDATE orders SET status = 'Shipped' WHERE orderNumber % 10 = 4", { database: 'classicmodels' });
  await equalSales(server, 'classicmodels', 60_000);
});

test('an order that does not fit goes to quarantine as a whole and comes when it is mended; mistakes of the configuration are said', async (t) => {
  await db.sql(`CREATE DATABASE wrong; USE wrong; ${shop} ${order(1, 'x', [['pot', 1, 10]])} INSERT INTO orders VALUES (2, '0000-00-00', 'x', 1); INSERT INTO orderdetails VALUES (2, 'pot', 1, 7), (2, 'rake', 1, 1)`, { args: ['--init-command=SET sql_mode=""'] });
  const server = await serve(t, await shopProject('wrong'));
  await eventually('it is put aside', async () => assert.deepEqual(await server.sql("SELECT where_, message_id FROM quarantine"), [['order:wrong:2', 'order:wrong:2']]));
  assert.deepEqual(await server.sql('SELECT order_id, amount FROM order_lines'), [['1', '10.0000']]);
  await db.sql("UPDATE orders SET orderDate = '2024-01-01 00:00:00' WHERE orderNumber = 2", { database: 'wrong' });
  await equalSales(server, 'wrong');
  assert.deepEqual(await server.sql("SELECT count(*) FROM quarantine"), [[0]]);
  for (const [change, words] of [
    [{ map: mapping.replace('orders.orderDate', 'orderDate') }, /'orderDate' is no column of the order's tables: say TABLE.COLUMN, the table being orders, orderdetails, customers, products/],
    [{ map: mapping.replace('order_id: orders.orderNumber, ', '') }, /recognised by 'order_id'/],
    [{ map: mapping.replace('type: purchase', 'type: refund') }, /call it otherwise/],
    [{ head: {} }, /'head' takes one TABLE: COLUMN/],
    [{ join: { customers: { customerNumber: 'nobody.customerNumber' } } }, /expected TABLE.COLUMN, the table being orders, orderdetails/],
  ])
    await assert.rejects(shopProject('wrong', change).then((project) => Server.start({ args: ['--project', project], env: readerEnv })), words);
});
