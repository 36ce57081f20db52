// ctest: timeout 600
// Reading a real MariaDB server: every row arrives as another client reads it, and what goes wrong is said.
import assert from 'node:assert/strict';
import { cpSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { csvRows } from '../support/csv.mjs';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, eventually, root, run, sharedData, temporaryDir } from '../support/millrace.mjs';

let db;
before(async () => (db = await MariaDb.start()));
after(() => db.stop());

async function serve(t, project, env = {}) {
  const server = await Server.start({ args: ['--project', project], env: { ...readerEnv, ...env } });
  t.after(() => server.stop());
  return server;
}

const extract = (server, source, ...args) => run(['extract', source, '--data', server.data, ...args]);

async function extracted(server, source, ...args) {
  const done = await extract(server, source, '--json', ...args);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

const sample = sharedData('ecommerce/mysqlsampledatabase.sql');
const ratings = sharedData('ecommerce/ratings_ml_training_dataset.csv');
/** Where the two public copies of the database say something else. */
const knownDifferences = [];
const missing = sample && ratings ? false : 'no shared data: the classicmodels database is not on this machine';

test('classicmodels: every table is row for row what another client reads', { skip: missing }, async (t) => {
  await db.sql(readFileSync(sample));
  const values = [];
  const columns = readFileSync(ratings, 'utf8').split('\n', 1)[0].trim().replaceAll('"', '').split(',');
  const [customer, product, rating] = ['customernumber', 'productcode', 'productrating'].map((name) => columns.indexOf(name));
  for await (const row of csvRows(ratings)) values.push(`(${row[customer]}, '${row[product]}', ${row[rating]})`);
  await db.sql(`CREATE TABLE ratings (customerNumber INT, productCode VARCHAR(15), productRating INT, PRIMARY KEY (customerNumber, productCode));
    INSERT IGNORE INTO ratings VALUES ${values.join(',')}`, { database: 'classicmodels' });
  const project = await db.project('classicmodels', { database: 'classicmodels', chunk_rows: 700 });
  for (const folder of ['features', 'training_sets', 'models'])
    cpSync(path.join(root, 'examples/shop', folder), path.join(project, folder), { recursive: true });
  const server = await serve(t, project);
  const result = await extracted(server, 'classicmodels');
  assert.equal(result.failed_tables, 0);
  assert.match(result.position, /^gtid:0-1-\d+$/);
  const tables = await db.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'classicmodels'", 'classicmodels');
  assert.equal(tables.length, 9);
  assert.deepEqual(new Set(result.tables.map((one) => one.table)), new Set(tables.flat()));
  let total = 0;
  for (const [table] of tables) {
    const there = await db.rows(`SELECT * FROM ${table}`, 'classicmodels');
    // Times and blobs apart, DuckDB prints these values as MariaDB does.
    const types = await db.rows(`SELECT data_type FROM information_schema.columns WHERE table_schema = 'classicmodels' AND table_name = '${table}' ORDER BY ordinal_position`);
    assert.ok(types.flat().every((type) => /^(int|smallint|varchar|text|mediumtext|mediumblob|decimal|date)$/.test(type)), `${table}: ${types}`);
    const answer = await server.post('/v1/sql', { query: `SELECT COLUMNS(*)::VARCHAR FROM classicmodels.${table}` });
    const { rows } = await answer.json();
    const text = (all) => all.map((row) => JSON.stringify(row)).sort();
    assert.deepEqual(text(rows), text(there), table);
    total += there.length;
  }
  assert.equal(result.rows, total);
  const [[details]] = await server.sql('SELECT count(*) FROM classicmodels.orderdetails');
  assert.equal(details, 2996);
  await compareTrainingSet(server);
  await trainTwoTowers(server);
});

/** E4: two towers on that set foresee ratings no worse than means do, and have a vector for whom nobody has seen. */
async function trainTwoTowers(server) {
  const done = await run(['train', 'ratings', '--data', server.data, '--json'], { timeoutMs: 120_000 });
  assert.equal(done.code, 0, done.stderr);
  const { gate, deployed, manifest } = JSON.parse(done.stdout);
  assert.equal(deployed, true, gate);
  assert.match(manifest.training.training_set, /^ratings_ml_training@[0-9a-f]{16}$/);
  assert.deepEqual([manifest.training.rows, manifest.training.users, manifest.training.items], [2532, 98, 109]);
  const { rmse, mean_rmse, item_mean_rmse, user_mean_rmse } = manifest.ratings;
  assert.ok(rmse.mean < Math.min(mean_rmse, item_mean_rmse, user_mean_rmse) * 1.02, JSON.stringify(manifest.ratings));
  const answer = await server.post('/v1/models/ratings/recommendations', { n: 3, features: { city: 'Nantes', country: 'France', creditLimit: 90_000 } });
  const { items } = await answer.json();
  assert.equal(items.length, 3);
  assert.ok(items.every(({ score }) => score >= 1 && score <= 5), JSON.stringify(items));
}

/** E2: the training set equals the public one, row for row but for what the two copies of the database say otherwise. */
async function compareTrainingSet(server) {
  const made = await run(['training-set', 'build', 'ratings_ml_training', '--data', server.data, '--json'], { timeoutMs: 120_000 });
  assert.equal(made.code, 0, made.stderr);
  const [manifest] = JSON.parse(made.stdout).training_sets;
  const customers = new Set();
  const differing = new Map();
  let rows = 0;
  const ours = new Map();
  const { rows: joined } = await (await server.post('/v1/sql', { rows_max: 10_000, query: `SELECT r."customerNumber", r."productCode", r."productRating",
    c.city, c.state, c."postalCode", c.country, c."creditLimit", p."productLine", p."productScale", p."quantityInStock", p."buyPrice", p."MSRP"
    FROM classicmodels.ratings r LEFT JOIN classicmodels.customers c USING ("customerNumber") LEFT JOIN classicmodels.products p USING ("productCode")` })).json();
  for (const [customer, product, ...rest] of joined) ours.set(`${customer} ${product}`, rest.map((cell) => (cell === null ? '' : String(cell))));
  for await (const [city, state, postal, country, credit, product, line, scale, stock, price, msrp, rating, customer] of csvRows(ratings)) {
    rows++;
    customers.add(customer);
    const theirs = [rating, city, state, postal, country, credit, line, scale, stock, price, msrp];
    const mine = ours.get(`${customer} ${product}`);
    assert.ok(mine, `${customer} ${product}`);
    theirs.forEach((cell, i) => {
      const same = cell === mine[i] || (cell !== '' && mine[i] !== '' && Number(cell) === Number(mine[i]));
      if (!same) differing.set(`${['rating', 'city', 'state', 'postalCode', 'country', 'creditLimit', 'productLine', 'productScale', 'quantityInStock', 'buyPrice', 'MSRP'][i]} of ${i < 6 ? customer : product}: ${mine[i]} here, ${cell} there`, true);
    });
  }
  assert.deepEqual([rows, customers.size], [2532, 98]);
  assert.deepEqual([manifest.rows, manifest.files.length], [2532, 98]);
  assert.ok(manifest.files.every((file) => /^customerNumber=\d+\/part-0\.parquet$/.test(file)), manifest.files[0]);
  assert.deepEqual([...differing.keys()], knownDifferences);
}

test('all types keep their extremes, and what fits no type is kept aside', async (t) => {
  await db.sql(`CREATE DATABASE types CHARACTER SET utf8mb4; USE types; SET sql_mode = 'ALLOW_INVALID_DATES'; SET time_zone = '+00:00';
    CREATE TABLE t (id BIGINT UNSIGNED PRIMARY KEY, ti TINYINT, b TINYINT(1), mu MEDIUMINT UNSIGNED, s BIGINT, d DECIMAL(38,10), big DECIMAL(65,30),
      f FLOAT, g DOUBLE, bits BIT(64), y YEAR, dt DATE, at DATETIME(6), ts TIMESTAMP(6) NULL, tm TIME(6), e ENUM('ä','b'), st SET('x','y'),
      c CHAR(5), v VARCHAR(50), l VARCHAR(50) CHARACTER SET latin1, bin VARBINARY(300), bl LONGBLOB, j JSON, u UUID, p POINT, z INT(6) ZEROFILL);
    INSERT INTO t VALUES
      (18446744073709551615, -128, 127, 16777215, -9223372036854775808, -9999999999999999999999999999.0123456789, 12345678901234567890123456789012345.123456789012345678901234567891,
       3.4028234663852886e38, 1.7976931348623157e308, b'1111111111111111111111111111111111111111111111111111111111111111', 2155, '9999-12-31', '2024-07-01 12:00:00.123456', '2038-01-19 03:14:07.999999', '-838:59:59', 'ä', 'x,y',
       'ab', '🐘 \\\\ \\' " \\t', 'Käse', X'00FF27', REPEAT(X'00FF', 200000), '{"a": [1, null]}', '123e4567-e89b-12d3-a456-426655440000', POINT(1, 2), 42),
      (0, 0, 0, 0, 0, 0, 0, 0.1, 4.9406564584124654e-324, 0, 1901, '0000-00-00', '2024-02-31 00:00:00', NULL, '00:00:00.000001', 'b', '', '', '', '', '', '', '[]', NULL, NULL, NULL),
      (1, ${Array(25).fill('NULL').join(', ')})`);
  const server = await serve(t, await db.project('types', { database: 'types', zone: 'Europe/Paris' }));
  const result = await extracted(server, 'types');
  assert.equal(result.tables[0].rejected, 2);
  const [most] = await server.sql(`SELECT id, ti, b, mu, s, d, big, f::DOUBLE, g, bits, y, dt, "at"::VARCHAR, ts::VARCHAR, tm::VARCHAR, e, st, c, v, l, hex(bin), octet_length(bl), md5(bl),
    j, u, octet_length(p), z FROM types.t WHERE id > 1`);
  const [[md5]] = await db.rows('SELECT MD5(bl) FROM t WHERE id > 1', 'types');
  assert.deepEqual(most, ['18446744073709551615', -128, 127, 16777215, '-9223372036854775808', '-9999999999999999999999999999.0123456789',
    '12345678901234567890123456789012345.123456789012345678901234567891', 3.4028234663852886e38, 1.7976931348623157e308, '18446744073709551615', 2155,
    '9999-12-31', '2024-07-01 10:00:00.123456', '2038-01-19 03:14:07.999999', '-838:59:59', 'ä', 'x,y', 'ab', '🐘 \\ \' " \t', 'Käse', '00FF27', 400000, md5,
    '{"a": [1, null]}', '123e4567-e89b-12d3-a456-426655440000', 25, 42]);
  const [least] = await server.sql(`SELECT f::DOUBLE = 0.1::FLOAT::DOUBLE, g, dt, "at", ts, tm::VARCHAR, st, c, v, octet_length(bin) FROM types.t WHERE id = 0`);
  assert.deepEqual(least, [true, 4.9406564584124654e-324, null, null, null, '00:00:00.000001', '', '', '', 0]);
  const [nulls] = await server.sql('SELECT * FROM types.t WHERE id = 1');
  assert.deepEqual(nulls.slice(1), Array(25).fill(null));
  const rejected = await server.sql('SELECT row_key, column_name, value, reason FROM types._rejected ORDER BY column_name');
  assert.deepEqual(rejected, [['["0"]', 'at', '2024-02-31 00:00:00.000000', 'is no date and time of the calendar'],
    ['["0"]', 'dt', '0000-00-00', 'is no date of the calendar']]);
});

test('keys of every usable kind are followed in small pieces, with the index', async (t) => {
  await db.sql(`CREATE DATABASE keyset; USE keyset;
    CREATE TABLE text_key (k VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, n INT, PRIMARY KEY (k, n));
    CREATE TABLE bin_key (k VARBINARY(20) PRIMARY KEY); CREATE TABLE time_key (k DATETIME(3) PRIMARY KEY); CREATE TABLE uuid_key (k UUID PRIMARY KEY);
    CREATE TABLE unique_key (a DECIMAL(20,3) NOT NULL, b INT, UNIQUE (a)); CREATE TABLE general (k VARCHAR(20) CHARACTER SET utf8mb4 PRIMARY KEY);
    INSERT INTO text_key SELECT ELT(1 + seq % 7, 'a', 'É', 'b''c', '', 'Zz', 'ß', 'o'), seq FROM seq_1_to_500;
    INSERT INTO bin_key SELECT UNHEX(MD5(seq)) FROM seq_1_to_500; INSERT INTO time_key SELECT '2024-01-01' + INTERVAL seq SECOND FROM seq_1_to_500;
    INSERT INTO uuid_key SELECT UUID() FROM seq_1_to_500; INSERT INTO unique_key SELECT seq - 250.125, seq FROM seq_1_to_500;
    INSERT INTO general SELECT CONCAT(ELT(1 + seq % 3, 'é', '🐘', '\\\\'), seq) FROM seq_1_to_500;`);
  const server = await serve(t, await db.project('keyset', { database: 'keyset', chunk_rows: 13 }));
  await db.sql('SET GLOBAL slow_query_log = 0; FLUSH STATUS');
  const result = await extracted(server, 'keyset');
  assert.deepEqual(result.tables.map((one) => [one.table, one.rows, one.error]),
    ['bin_key', 'general', 'text_key', 'time_key', 'unique_key', 'uuid_key'].map((name) => [name, 500, null]));
  for (const { table } of result.tables) {
    const [[rows, different]] = await server.sql(`SELECT count(*), (SELECT count(*) FROM (SELECT DISTINCT * FROM keyset.${table})) FROM keyset.${table}`);
    assert.deepEqual([rows, different], [500, 500], table);
  }
  // A statement as the extraction makes them reads a piece of the index and no more.
  const plan = await db.rows(`EXPLAIN SELECT k, n FROM text_key FORCE INDEX (\`PRIMARY\`) WHERE ((\`k\` > CONVERT(_utf8mb4 X'C389' USING latin1) COLLATE latin1_swedish_ci) OR
    (\`k\` = CONVERT(_utf8mb4 X'C389' USING latin1) COLLATE latin1_swedish_ci AND \`n\` > 7)) ORDER BY k, n LIMIT 13`, 'keyset');
  assert.equal(plan[0][3], 'range');
  assert.doesNotMatch(plan[0].join(), /filesort/);
});

test('a snapshot that was killed in the middle goes on behind the last row that is durable', async (t) => {
  await db.sql(`CREATE DATABASE long_one; USE long_one; CREATE TABLE before_it (id INT PRIMARY KEY); INSERT INTO before_it VALUES (1);
    CREATE TABLE rows_ (id INT PRIMARY KEY, text VARCHAR(100)); INSERT INTO rows_ SELECT seq, REPEAT('x', 90) FROM seq_1_to_20000`);
  const project = await db.project('long_one', { database: 'long_one', chunk_rows: 500, limits: { rows_per_second: 4000 } });
  const data = await temporaryDir();
  const first = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(() => first.kill());
  const broken = extract(first, 'long_one');
  const unfinished = await eventually('rows are there', async () => {
    const { sources } = await (await first.asAdmin('GET', '/v1/extracts')).json();
    const rows = sources[0].tables.find((one) => one.table === 'rows_')?.unfinished_rows ?? 0;
    assert.ok(rows >= 2000, `${rows}`);
    assert.equal(sources[0].running, true);
    return rows;
  });
  await first.kill();
  assert.notEqual((await broken).code, 0);
  await db.sql("UPDATE rows_ SET text = 'changed meanwhile' WHERE id IN (1, 20000)", { database: 'long_one' });
  const second = await Server.start({ data, args: ['--project', project], env: readerEnv });
  t.after(async () => { await second.stop(); });
  await assert.rejects(second.sql('SELECT * FROM long_one.rows_'), /there is no table/);
  const result = await extracted(second, 'long_one');
  const resumed = result.tables.find((one) => one.table === 'rows_');
  assert.equal(resumed.mode, 'resumed');
  assert.ok(resumed.rows <= 20000 - unfinished, `${resumed.rows} rows read again`);
  const counts = await second.sql("SELECT count(*), count(DISTINCT id), count(*) FILTER (text = 'changed meanwhile') FROM long_one.rows_");
  assert.deepEqual(counts, [[20000, 20000, 1]]);  // the first row is as it was when it was read
  const anew = await extracted(second, 'long_one', '--tables', 'rows_');
  assert.equal(anew.tables[0].mode, 'snapshot');
  assert.deepEqual(await second.sql("SELECT count(*) FILTER (text = 'changed meanwhile') FROM long_one.rows_"), [[2]]);
  assert.deepEqual(await second.sql('SELECT * FROM long_one.before_it'), [[1]]);
});

test('incremental: what changed since the cursor comes, with those of the same value; what vanished waits for a snapshot', async (t) => {
  await db.sql(`CREATE DATABASE inc; USE inc; CREATE TABLE o (id INT PRIMARY KEY, v VARCHAR(10), version INT NOT NULL, KEY (version));
    INSERT INTO o VALUES (1, 'a', 10), (2, 'b', 10), (3, 'c', 9); CREATE TABLE p (id INT PRIMARY KEY); INSERT INTO p VALUES (7)`);
  const server = await serve(t, await db.project('inc', { database: 'inc', tables: { o: { cursor: 'version' }, p: {} }, chunk_rows: 2 }));
  await extracted(server, 'inc', '--incremental');  // the first time there is nothing yet: a snapshot
  await db.sql("INSERT INTO o VALUES (4, 'same', 10), (5, 'new', 11); UPDATE o SET v = 'B', version = 12 WHERE id = 2; DELETE FROM o WHERE id = 3; DELETE FROM p", { database: 'inc' });
  const result = await extracted(server, 'inc', '--incremental');
  assert.deepEqual(result.tables.map((one) => [one.table, one.mode, one.rows]), [['o', 'changes', 4], ['p', 'snapshot', 0]]);
  assert.deepEqual(await server.sql('SELECT id, v FROM inc.o ORDER BY id'), [[1, 'a'], [2, 'B'], [3, 'c'], [4, 'same'], [5, 'new']]);
  assert.deepEqual(await server.sql('SELECT * FROM inc.p'), []);
  const written = await server.post('/v1/topics/source.inc/messages', 'x');
  assert.equal(written.status, 403);  // by Millrace alone
  const again = await extracted(server, 'inc', '--incremental', '--tables', 'o');
  assert.deepEqual([again.tables[0].mode, again.rows], ['changes', 1]);  // that of the cursor's last value
  await db.sql('ALTER TABLE o ADD COLUMN extra INT DEFAULT 5', { database: 'inc' });
  const altered = await extracted(server, 'inc', '--incremental', '--tables', 'o');
  assert.equal(altered.tables[0].mode, 'snapshot');
  assert.deepEqual(await server.sql('SELECT id, extra FROM inc.o ORDER BY id'), [[1, 5], [2, 5], [4, 5], [5, 5]]);
});

test('what is refused says why and what to do, and no password is anywhere', async (t) => {
  await db.sql(`CREATE DATABASE bad; USE bad; CREATE TABLE good (id INT PRIMARY KEY); INSERT INTO good VALUES (1);
    CREATE TABLE keyless (a INT); INSERT INTO keyless VALUES (1), (1);
    CREATE TABLE big (id INT PRIMARY KEY, b LONGBLOB); INSERT INTO big VALUES (1, ''), (2, REPEAT('x', 16000000)), (3, '')`);
  const failing = async (settings, env = {}) => {
    const server = await serve(t, await db.project('bad', { database: 'bad', ...settings }), env);
    const done = await extract(server, 'bad');
    assert.equal(done.code, 1);
    const secret = env.READER_PASSWORD ?? MariaDb.password;
    assert.ok(!(done.stderr + done.stdout + server.stderr).includes(secret), 'the password is said');
    return { said: done.stderr, server };
  };
  const wrong = await failing({}, { READER_PASSWORD: 'not-the-password' });
  assert.match(wrong.said, /Access denied for user 'reader'.*the password is wrong/);
  assert.match((await failing({ port: 1 })).said, /127\.0\.0\.1:1: .*check host and port/);
  assert.match((await failing({ host: 'no-such-host.invalid', tls: 'off' })).said, /no-such-host\.invalid:.*check host and port/);
  assert.match((await failing({ database: 'absent' })).said, /absent.*check database/);
  assert.match((await failing({ allow_primary: false })).said, /takes writes.*read-only replica.*allow_primary: true/);
  assert.match((await failing({ tls: 'verify' })).said, /tls\.ca_file|tls: off/);
  const busy = db.sql('SELECT SLEEP(30)').catch(() => {});
  const threads = await failing({ limits: { threads_running_max: 1, wait: '300ms' } });
  assert.match(threads.said, /2 threads run on.*threads_running_max 1: extract later, or raise the limit/);
  const [[sleeper]] = await db.rows("SELECT id FROM information_schema.processlist WHERE info = 'SELECT SLEEP(30)'");
  await db.sql(`KILL ${sleeper}`);
  await busy;
  const keyless = await failing({});
  assert.match(keyless.said, /bad\.big: not extracted: .*a row behind the key \(1\).*exclude/);
  assert.match(keyless.said, /bad\.keyless: not extracted: .*primary key or unique index.*whole: true/);
  assert.deepEqual(await keyless.server.sql('SELECT * FROM bad.good'), [[1]]);
  const whole = await serve(t, await db.project('bad', { database: 'bad', tables: { keyless: { whole: true } } }));
  await extracted(whole, 'bad');
  assert.deepEqual(await whole.sql('SELECT a FROM bad.keyless'), [[1], [1]]);
  const unknown = await extract(whole, 'bda');
  assert.match(unknown.stderr, /there is no source bda; did you mean bad/);
  const table = await extract(whole, 'bad', '--tables', 'keyles');
  assert.match(table.stderr, /has no table keyles; did you mean keyless/);
});

test('a read-only server needs no leave, and replication that does not run stops the reading', async (t) => {
  await db.sql('CREATE DATABASE ro; USE ro; CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1); SET GLOBAL read_only = 1');
  t.after(() => db.sql('STOP SLAVE; RESET SLAVE ALL; SET GLOBAL read_only = 0'));
  const server = await serve(t, await db.project('ro', { database: 'ro', allow_primary: undefined, limits: { wait: '300ms' } }));
  await extracted(server, 'ro');
  await db.sql("CHANGE MASTER TO MASTER_HOST = '127.0.0.1', MASTER_PORT = 1, MASTER_USER = 'x'");
  const stopped = await extract(server, 'ro');
  assert.match(stopped.stderr, /replication is not running on 127\.0\.0\.1/);
  assert.deepEqual(await server.sql('SELECT * FROM ro.a'), [[1]]);
});
