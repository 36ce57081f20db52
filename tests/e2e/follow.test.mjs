// ctest: timeout 600
// Following a real MariaDB server: at the end every table equals the source, row for row, whatever broke meanwhile.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, eventually, run, temporaryDir } from '../support/millrace.mjs';
import { ShopWriter, shopTables } from '../support/shop_writer.mjs';
import { TcpProxy } from '../support/tcp_proxy.mjs';

let db;
before(async () => (db = await MariaDb.start()));
after(() => db.stop());

async function serve(t, project, { data } = {}) {
  const server = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => server.stop());
  return server;
}

const follow = async (server) => (await (await server.asAdmin('GET', '/v1/extracts')).json()).sources[0].follow;

async function streaming(server) {
  return eventually('it follows', async () => {
    const status = await follow(server);
    assert.equal(status.state, 'streaming', JSON.stringify(status));
    return status;
  }, 60_000);
}

/** Fractions of seconds without zeros behind them, which the two print otherwise. */
const plain = (row) => JSON.stringify(row.map((cell) => (/^\d{4}-.*\.\d+$/.test(cell ?? '') ? cell.replace(/\.?0+$/, '') : cell)));

/** Rows of a table as the server has them and as Millrace has, as sorted texts. */
async function bothSides(server, database, table, columns = '*') {
  const there = (await db.rows(`SELECT ${columns} FROM ${table}`, database)).map(plain).sort();
  const answer = await server.post('/v1/sql', { rows_max: 1_000_000, query: `SELECT COLUMNS(*)::VARCHAR FROM (SELECT ${columns} FROM ${database}.${table})` });
  const { rows, ...rest } = await answer.json();
  assert.ok(rows, JSON.stringify(rest));
  return [rows.map(plain).sort(), there];
}

async function equalTables(server, database, tables, limitMs = 60_000) {
  await eventually('the tables are equal', async () => {
    for (const table of tables) {
      const [here, there] = await bothSides(server, database, table);
      assert.equal(here.length, there.length, table);
      assert.deepEqual(here, there, table);
    }
  }, limitMs).catch(async (error) => {
    error.message += `\n${JSON.stringify(await follow(server))}\n${server.stderr.slice(-2000)}`;
    throw error;
  });
}

test('a snapshot, then inserts, updates, deletes and other keys as they happen', async (t) => {
  await db.sql(`CREATE DATABASE live; USE live; ${shopTables} INSERT INTO customers VALUES (1, 'before', 1.50, 'good', 'a,c'), (2, 'stays', NULL, 'new', '')`);
  const server = await serve(t, await db.project('live', { database: 'live', follow: true }));
  await streaming(server);
  await db.sql(`UPDATE customers SET name = 'after' WHERE id = 1; INSERT INTO customers VALUES (3, 'new', 3, 'best', 'b'); DELETE FROM customers WHERE id = 2; UPDATE customers SET id = 30 WHERE id = 3;
    INSERT INTO orders VALUES (7, 1, '2024-07-01 12:00:00.5', 'zurück', 'x')`, { database: 'live' });
  await equalTables(server, 'live', ['customers', 'orders', 'lines_'], 10_000);
  assert.deepEqual(await server.sql('SELECT id, name, credit, level, tags FROM live.customers ORDER BY id'), [[1, 'after', '1.50', 'good', 'a,c'], [30, 'new', '3.00', 'best', 'b']]);
});

test('whatever breaks, every table equals the source at the end', async (t) => {
  await db.sql(`CREATE DATABASE chaos; USE chaos; ${shopTables}`);
  const changes = Number(process.env.FOLLOW_CHANGES ?? 5000);
  const writer = new ShopWriter(db, 'chaos', 7);
  await writer.write(changes / 10);  // a snapshot has something to read
  const proxy = await TcpProxy.start(db.port);
  t.after(() => proxy.stop());
  const project = await db.project('chaos', { database: 'chaos', follow: true, port: proxy.port, outage_after: '300ms' });
  const data = await temporaryDir();
  let server = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => server.kill());
  const writing = writer.writeOn(Number(process.env.FOLLOW_RATE ?? 1500));
  t.after(() => (writer.stopped = true));
  const calm = () => sleep(500);
  do {
    await calm();
    await server.kill();
    server = await Server.start({ data, args: ['--project', project], env: readerEnv });
    await calm();
    proxy.cut();
    await calm();
    proxy.mend();
    await calm();
    proxy.freeze();  // nobody is told: the silence itself is noticed, after ten seconds
    await calm();
    await db.restart({ away: calm });
    await calm();
    await server.kill();
    server = await Server.start({ data, args: ['--project', project], env: readerEnv });
  } while (writer.changes < changes);
  writer.stopped = true;
  await writing;
  await equalTables(server, 'chaos', ['customers', 'orders', 'lines_'], 120_000);
  const status = await streaming(server);
  t.diagnostic(`${writer.changes} changes, ${writer.refused} scripts cut off; ${status.position}`);
  const [[rows]] = await server.sql('SELECT count(*) FROM chaos.orders');
  assert.ok(rows > changes / 50, `${rows}`);
});

test('a large transaction comes in bounded pieces and whole', async (t) => {
  await db.sql('CREATE DATABASE large; USE large; CREATE TABLE big (id INT PRIMARY KEY, text VARCHAR(200)); CREATE TABLE other (id INT PRIMARY KEY)');
  const server = await serve(t, await db.project('large', { database: 'large', follow: true }));
  await streaming(server);
  await db.sql("BEGIN; INSERT INTO other VALUES (1); INSERT INTO big SELECT seq, REPEAT('x', 150) FROM seq_1_to_150000; INSERT INTO other VALUES (2); UPDATE big SET text = 'y' WHERE id % 3 = 0; COMMIT", { database: 'large' });
  await eventually('all is there', async () => assert.deepEqual(await server.sql("SELECT count(*), count(*) FILTER (text = 'y'), (SELECT count(*) FROM large.other) FROM large.big"), [[150_000, 50_000, 2]]));
});

test('every type comes from the binary log as it does from a snapshot', async (t) => {
  const columns = `id BIGINT UNSIGNED PRIMARY KEY, ti TINYINT, tu TINYINT UNSIGNED, s SMALLINT, mu MEDIUMINT UNSIGNED, m MEDIUMINT, i INT, b BIGINT, d DECIMAL(38,10), d2 DECIMAL(65,30), d3 DECIMAL(9,9), d4 DECIMAL(5,0),
    f FLOAT, g DOUBLE, bits BIT(64), bit3 BIT(3), y YEAR, dt DATE, a0 DATETIME, a1 DATETIME(1), a6 DATETIME(6), t0 TIMESTAMP NULL, t3 TIMESTAMP(3) NULL, t6 TIMESTAMP(6) NULL, m0 TIME, m2 TIME(2), m4 TIME(4), m6 TIME(6),
    e ENUM('ä','b','it''s','back\\\\slash'), st SET('x','y','z'), c CHAR(5), c2 CHAR(200) CHARACTER SET utf8mb4, v VARCHAR(50), v2 VARCHAR(300) CHARACTER SET utf8mb4, l VARCHAR(50) CHARACTER SET latin1, cy VARCHAR(50) CHARACTER SET cp1251, u2 TEXT CHARACTER SET ucs2,
    bin BINARY(6), vb VARBINARY(300), bl LONGBLOB, tb TINYBLOB, tx MEDIUMTEXT, j JSON, u UUID, i6 INET6, i4 INET4, p POINT, z INT(6) ZEROFILL`;
  const most = `-128, 255, -32768, 16777215, -8388608, -2147483648, -9223372036854775808, -9999999999999999999999999999.0123456789, 12345678901234567890123456789012345.123456789012345678901234567891, -0.123456789, 99999,
    3.4028234663852886e38, -1.7976931348623157e308, b'1111111111111111111111111111111111111111111111111111111111111111', b'101', 2155, '9999-12-31', '2024-07-01 12:34:56', '2024-07-01 12:34:56.7', '1000-01-01 00:00:00.000001',
    '2038-01-19 03:14:07', '2024-01-01 00:00:00.25', '1970-01-01 00:00:01.000001', '-838:59:59', '-00:00:00.25', '12:34:56.0001', '-838:59:58.999999',
    'it''s', 'x,z', 'ab', REPEAT('é', 200), '🐘', REPEAT('ü', 300), 'Käse €', 'Привет', 'hé', X'0102000000', X'00FF2700', REPEAT(X'00FF', 70000), X'', REPEAT('long ', 20000), '{"a": [1, null]}', '123e4567-e89b-12d3-a456-426655440000', '::ffff:1.2.3.4', '10.0.0.0', POINT(1, 2), 42`;
  const odd = `0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0.1, 4.9406564584124654e-324, 0, 0, 0, '0000-00-00', '2024-02-31 00:00:00', '0000-00-00 00:00:00', '2024-12-31 23:59:59.999999', NULL, '2024-07-01 00:00:00', '2024-07-01 00:00:00', '00:00:00', '00:00:00.01', '-12:00:00.5', '838:59:59',
    'back\\\\slash', '', '', '', '', '', '', '', '', X'', X'', X'', X'00', '', '[]', '00000000-0000-0000-0000-000000000000', '::', '0.0.0.0', NULL, 0`;
  const v7 = `1, 1, 1, 1, 1, 1, 1, 0.0000000001, -0.000000000000000000000000000001, 0.5, -1, -2.5, 1e10, 1, 1, 1999, '2000-02-29', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
    'ä', 'x', 'tail ', 'x', 'x', 'x', 'x', 'x', 'x', 'abcdef', 'x', 'x', 'x', 'x', '1', '018f5f2e-1b2c-7def-8123-456789abcdef', '2001:db8::', '255.255.255.255', NULL, 1`;
  const nulls = Array(47).fill('NULL').join(', ');
  const values = [most, odd, v7, nulls].map((row, i) => `(${[18446744073709551615n, 0, 7, 1][i]}, ${row})`).join(',\n');
  await db.sql(`CREATE DATABASE forms CHARACTER SET utf8mb4; USE forms; SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; CREATE TABLE read_ (${columns}); CREATE TABLE followed (${columns}); INSERT INTO read_ VALUES ${values}`);
  const server = await serve(t, await db.project('forms', { database: 'forms', zone: 'Europe/Paris', follow: true }));
  await streaming(server);
  await db.sql(`SET sql_mode = 'ALLOW_INVALID_DATES', time_zone = '+00:00'; INSERT INTO followed SELECT * FROM read_; UPDATE followed SET ti = ti + 1 WHERE ti < 127; UPDATE followed SET ti = ti - 1 WHERE ti IS NOT NULL`, { database: 'forms' });
  await eventually('they have come', async () => assert.deepEqual(await server.sql('SELECT count(*), max(ti) FROM forms.followed'), [[4, 1]]));
  const answer = await (await server.post('/v1/sql', { query: 'SELECT * FROM forms.read_ ORDER BY id' })).json();
  const other = await (await server.post('/v1/sql', { query: 'SELECT * FROM forms.followed ORDER BY id' })).json();
  answer.rows.forEach((row, i) => row.forEach((cell, k) => assert.deepEqual(other.rows[i][k], cell, `${answer.columns[k].name ?? answer.columns[k]} of row ${i}`)));
  const rejected = (table) => server.sql(`SELECT row_key, column_name, value, reason FROM forms._rejected WHERE table_name = '${table}' ORDER BY ALL`);
  assert.deepEqual(await rejected('followed'), await rejected('read_'));
  assert.equal((await rejected('read_')).length, 3);
});

/** What the source's state says in time. */
const failing = (server, words) => eventually(`it says ${words}`, async () => {
  const status = await follow(server);
  assert.match(status.error ?? JSON.stringify(status.problems), words);
  return status;
});

test('what cannot be followed is refused with what to do, and goes on by itself when that is done', async (t) => {
  await db.sql('CREATE DATABASE bad; USE bad; CREATE TABLE good (id INT PRIMARY KEY); INSERT INTO good VALUES (1); CREATE TABLE keyless (a INT); INSERT INTO keyless VALUES (1), (1)');
  t.after(() => db.sql('SET GLOBAL binlog_format = ROW; SET GLOBAL binlog_row_image = FULL; GRANT REPLICATION SLAVE ON *.* TO reader@\'%\''));
  await db.sql('SET GLOBAL binlog_format = MIXED');
  const server = await serve(t, await db.project('bad', { database: 'bad', follow: true, tables: { good: {}, keyless: { whole: true } } }));
  await failing(server, /binary log is on and its binlog_format is MIXED: set log_bin.*and binlog_format = ROW/);
  await db.sql('SET GLOBAL binlog_format = ROW; SET GLOBAL binlog_row_image = MINIMAL');
  await failing(server, /SET GLOBAL binlog_row_image = FULL/);
  await db.sql("SET GLOBAL binlog_row_image = FULL; REVOKE REPLICATION SLAVE ON *.* FROM reader@'%'");
  await failing(server, /GRANT REPLICATION SLAVE ON \*\.\*/);
  await db.sql("GRANT REPLICATION SLAVE ON *.* TO reader@'%'");
  const status = await streaming(server);
  assert.match(status.problems.keyless, /has no key.*give it a primary key/);
  await db.sql('INSERT INTO good VALUES (2)', { database: 'bad' });
  await eventually('it follows', async () => assert.deepEqual(await server.sql('SELECT id FROM bad.good ORDER BY id'), [[1], [2]]));
  const list = await run(['extract', '--list', '--data', server.data]);
  assert.match(list.stdout, /followed: streaming[\s\S]*keyless is not followed: it has no key/);
  const refused = await (await server.asAdmin('POST', '/v1/extracts', { source: 'bad', incremental: true })).text();
  assert.match(refused, /is followed: its changes come by themselves/);
});

test('a position that the server has purged is said, and a new snapshot goes on from there', async (t) => {
  await db.sql('CREATE DATABASE purged; USE purged; CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1), (2)');
  const project = await db.project('purged', { database: 'purged', follow: true });
  const data = await temporaryDir();
  const first = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => first.kill());
  await streaming(first);
  await first.stop({ keep: true });
  await db.sql('DELETE FROM a WHERE id = 1; INSERT INTO a VALUES (3); FLUSH BINARY LOGS; INSERT INTO a VALUES (4); FLUSH BINARY LOGS', { database: 'purged' });
  // A log that is still read is not purged.
  await eventually('nobody reads the log', async () => assert.deepEqual(await db.rows("SELECT id FROM information_schema.processlist WHERE command = 'Binlog Dump'"), []));
  const [[log]] = await db.rows('SHOW MASTER STATUS');
  await db.sql("SET GLOBAL slave_connections_needed_for_purge = 0").catch(() => {});  // newer servers keep logs without replicas
  await eventually('the logs are gone', async () => {
    await db.sql(`PURGE BINARY LOGS TO '${log}'`);
    assert.equal((await db.rows('SHOW BINARY LOGS')).length, 1);
  }, 10_000);
  const second = await serve(t, project, { data });
  await failing(second, /no longer has what follows gtid:.*millrace extract purged reads its tables anew/);
  assert.deepEqual(await second.sql('SELECT id FROM purged.a ORDER BY id'), [[1], [2]]);  // nothing is lost meanwhile
  await (await second.asAdmin('POST', '/v1/extracts', { source: 'purged' })).text();
  await streaming(second);
  await db.sql('INSERT INTO a VALUES (5)', { database: 'purged' });
  await eventually('it follows again', async () => assert.deepEqual(await second.sql('SELECT id FROM purged.a ORDER BY id'), [[2], [3], [4], [5]]));
});

/** What was told to those who use the source. */
async function told(server) {
  const { messages } = await (await server.asAdmin('GET', '/v1/topics/source_events/messages?n=1000')).json();
  return messages.map((message) => JSON.parse(Buffer.from(message.value_base64, 'base64').toString()));
}

test('tables are altered, renamed, emptied, made and dropped while they are followed', async (t) => {
  await db.sql(`CREATE DATABASE drills; USE drills; ${shopTables} INSERT INTO customers VALUES (1, 'a', 1, 'new', ''), (2, 'b', 2, 'good', 'a')`);
  const server = await serve(t, await db.project('drills', { database: 'drills', follow: true }));
  await streaming(server);
  const writer = new ShopWriter(db, 'drills', 3);
  const drill = async (statements, tables = ['customers', 'orders', 'lines_']) => {
    await writer.write(150);
    await db.sql(statements, { database: 'drills' });
    await equalTables(server, 'drills', tables, 30_000);
  };
  await drill("ALTER TABLE customers ADD COLUMN phone VARCHAR(20); INSERT INTO customers (id, name, phone) VALUES (1001, 'with', '+49'); UPDATE customers SET phone = '1' WHERE id = 1");
  const { columns } = await (await server.post('/v1/sql', { query: "SELECT name, phone, valid_from, valid_to FROM drills_history.customers WHERE id = 1" })).json();
  assert.equal(columns.length, 4);
  await writer.write(50);
  // The writer names no columns of customers: it must go on with as many as it knows.
  await db.sql('ALTER TABLE customers DROP COLUMN phone', { database: 'drills' });
  await drill("ALTER TABLE customers MODIFY level ENUM('new','good','best','royal') NOT NULL DEFAULT 'new'; UPDATE customers SET level = 'royal' WHERE id = 1001");
  await drill('ALTER TABLE lines_ MODIFY quantity BIGINT; UPDATE lines_ SET quantity = 5000000000 WHERE line = 1');
  await drill("ALTER TABLE orders RENAME COLUMN note TO remark; UPDATE orders SET remark = 'renamed'");
  await drill("ALTER TABLE orders DROP COLUMN remark, ADD COLUMN remark TEXT NOT NULL DEFAULT 'filled'");
  await drill('CREATE TABLE fresh (id INT PRIMARY KEY, v DOUBLE); INSERT INTO fresh VALUES (1, 0.5), (2, 1.5)', ['customers', 'orders', 'lines_', 'fresh']);
  await drill('TRUNCATE fresh; INSERT INTO fresh VALUES (3, 2.5)', ['fresh', 'orders']);
  await drill('CREATE OR REPLACE TABLE fresh (id INT PRIMARY KEY, v DOUBLE); INSERT INTO fresh VALUES (4, 3.5)', ['fresh', 'orders']);
  await drill("SET SESSION binlog_format = STATEMENT; UPDATE customers SET name = CONCAT(name, '!'); DELETE FROM lines_ WHERE line = 2");
  await drill('RENAME TABLE fresh TO renamed; INSERT INTO renamed VALUES (5, 4.5)', ['renamed', 'customers', 'lines_', 'orders']);
  await db.sql('DROP TABLE renamed', { database: 'drills' });
  const events = await eventually('it is told', async () => {
    const all = await told(server);
    assert.ok(all.some((event) => event.type === 'table_gone' && event.table === 'renamed'), JSON.stringify(all));
    return all;
  });
  const types = events.filter((event) => event.source === 'drills').map((event) => `${event.type} ${event.table}`);
  for (const one of ['schema_changed customers', 'schema_changed lines_', 'schema_changed orders', 'table_added fresh', 'table_added renamed', 'table_gone fresh'])
    assert.ok(types.includes(one), `${one} in ${types}`);
  const added = events.find((event) => event.type === 'schema_changed' && event.table === 'customers');
  assert.equal(added.before.columns.length + 1, added.after.columns.length);
  assert.deepEqual(await server.sql('SELECT id FROM drills.renamed ORDER BY id'), [[4], [5]]);  // what is gone there stays here
});

test('an outage is told when it begins and when it is over', async (t) => {
  await db.sql('CREATE DATABASE outage; USE outage; CREATE TABLE a (id INT PRIMARY KEY)');
  const proxy = await TcpProxy.start(db.port);
  t.after(() => proxy.stop());
  const server = await serve(t, await db.project('outage', { database: 'outage', follow: true, port: proxy.port, outage_after: '1s' }));
  await streaming(server);
  assert.deepEqual(await told(server), []);
  proxy.cut();
  const [begun] = await eventually('the outage is told', async () => {
    const all = await told(server);
    assert.equal(all.length, 1);
    return all;
  });
  assert.deepEqual([begun.type, begun.source], ['outage_begun', 'outage']);
  assert.match(begun.message, /its tables are as they were then: .*127\.0\.0\.1/);
  assert.equal((await follow(server)).failing_since, begun.since);
  await db.sql('INSERT INTO a VALUES (1)', { database: 'outage' });
  proxy.mend();
  await eventually('the outage is over', async () => {
    const over = (await told(server))[1];
    assert.deepEqual([over?.type, over?.since], ['outage_over', begun.since]);
  });
  await eventually('it has come', async () => assert.deepEqual(await server.sql('SELECT id FROM outage.a'), [[1]]));
});

test('transactions that are rolled back, prepared, or of tables that cannot be rolled back', async (t) => {
  await db.sql(`CREATE DATABASE odd; USE odd; CREATE TABLE a (id INT PRIMARY KEY); CREATE TABLE b (id INT PRIMARY KEY) ENGINE=Aria TRANSACTIONAL=0; CREATE DATABASE other_one; CREATE TABLE other_one.a (id INT PRIMARY KEY)`);
  const server = await serve(t, await db.project('odd', { database: 'odd', follow: true }));
  await streaming(server);
  await db.sql(`INSERT INTO a VALUES (1); INSERT INTO b VALUES (1);
    BEGIN; INSERT INTO a VALUES (2); INSERT INTO b VALUES (2); ROLLBACK;
    BEGIN; INSERT INTO a VALUES (3); SAVEPOINT s; INSERT INTO a VALUES (4); INSERT INTO b VALUES (4); ROLLBACK TO s; INSERT INTO a VALUES (5); COMMIT;
    XA START 'x'; INSERT INTO a VALUES (6); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'; XA START 'y'; INSERT INTO a VALUES (7); XA END 'y'; XA PREPARE 'y'; XA ROLLBACK 'y';
    INSERT INTO other_one.a VALUES (8); REPLACE INTO a VALUES (1), (9)`, { database: 'odd', args: ['--force'] });
  await equalTables(server, 'odd', ['a', 'b'], 20_000);
  const [{ position }, [[last]]] = [await follow(server), await db.rows('SELECT @@gtid_binlog_pos')];
  // The position goes on behind what is not ours too.
  await db.sql('INSERT INTO other_one.a VALUES (100), (101)');
  const [[later]] = await db.rows('SELECT @@gtid_binlog_pos');
  assert.notEqual(later, last);
  await eventually('the position follows', async () => assert.equal((await follow(server)).position, `gtid:${later}`), 10_000);
  assert.match(position, /^gtid:0-1-/);
});
