// ctest: timeout 300
// Following a real MariaDB server through what is rare: each table equals the source in the end, or it is said why not.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, eventually, run } from '../support/millrace.mjs';

let db;
before(async () => (db = await MariaDb.start({ options: ['--max-allowed-packet=256M', '--innodb-log-file-size=256M', '--innodb-buffer-pool-size=256M'] })));
after(() => db.stop());

async function serve(t, name, settings = {}) {
  const server = await Server.start({ args: ['--project', await db.project(name, { database: name, follow: true, ...settings })], env: readerEnv });
  t.after(() => server.stop());
  return server;
}

const follow = async (server) => (await (await server.asAdmin('GET', '/v1/extracts')).json()).sources[0].follow;
const streaming = (server) => eventually('it follows', async () => {
  const status = await follow(server);
  assert.equal(status.state, 'streaming', JSON.stringify(status));
}, 60_000);

test('statements behind SET STATEMENT are seen', async (t) => {
  await db.sql('CREATE DATABASE behind; USE behind; CREATE TABLE a (id INT PRIMARY KEY, b INT); INSERT INTO a VALUES (1, 1), (2, 2)');
  const server = await serve(t, 'behind');
  await streaming(server);
  await db.sql('SET STATEMENT lock_wait_timeout = 5 FOR TRUNCATE a; INSERT INTO a VALUES (3, 3)', { database: 'behind' });
  await eventually('it was emptied', async () => assert.deepEqual(await server.sql('SELECT id FROM behind.a ORDER BY id'), [[3]]), 15_000);
  await db.sql('SET STATEMENT lock_wait_timeout = 5 FOR ALTER TABLE a DROP COLUMN b, ADD COLUMN c INT DEFAULT 7', { database: 'behind' });
  await eventually('it was altered', async () => assert.deepEqual(await server.sql('SELECT id, c FROM behind.a ORDER BY id'), [[3, 7]]), 15_000);
});

test('a column that was added with a value keeps it, whatever its default is when that is seen', async (t) => {
  await db.sql('CREATE DATABASE defaults; USE defaults; CREATE TABLE a (id INT PRIMARY KEY); INSERT INTO a VALUES (1)');
  const server = await serve(t, 'defaults');
  await streaming(server);
  await db.sql('ALTER TABLE a ADD COLUMN n INT DEFAULT 7; ALTER TABLE a ALTER COLUMN n SET DEFAULT NULL; INSERT INTO a (id) VALUES (2)', { database: 'defaults' });
  await eventually('it has come', async () => assert.deepEqual(await server.sql('SELECT id, n FROM defaults.a ORDER BY id'), [[1, 7], [2, null]]), 15_000);
});

test('a large XA transaction that is prepared shows nothing until it is committed, and nothing when it is rolled back', async (t) => {
  await db.sql('CREATE DATABASE xa_; USE xa_; CREATE TABLE a (id INT PRIMARY KEY, text VARCHAR(300)); CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO a VALUES (-1, NULL)');
  const server = await serve(t, 'xa_');
  await streaming(server);
  const many = (from) => `INSERT INTO a SELECT seq, REPEAT('x', 200) FROM seq_${from}_to_${from + 99_999}`;
  const rows = () => server.sql('SELECT count(*), max(id) FROM xa_.a');
  await db.sql(`XA START 'x'; ${many(1)}; DELETE FROM a WHERE id = -1; XA END 'x'; XA PREPARE 'x'; INSERT INTO b VALUES (1)`, { database: 'xa_' }).catch(() => {});
  await db.sql('INSERT INTO b VALUES (2)', { database: 'xa_' });
  await eventually('what follows has come', async () => assert.ok((await server.sql('SELECT count(*) FROM xa_.b'))[0][0] >= 1));
  assert.deepEqual(await rows(), [[1, -1]]);
  await db.sql("XA ROLLBACK 'x'; INSERT INTO b VALUES (3)", { database: 'xa_' });
  await eventually('what follows has come', async () => assert.deepEqual(await server.sql('SELECT max(id) FROM xa_.b'), [[3]]));
  assert.deepEqual(await rows(), [[1, -1]]);
  await db.sql(`XA START 'y'; ${many(1)}; XA END 'y'; XA PREPARE 'y'`, { database: 'xa_' });
  await db.sql("XA COMMIT 'y'; INSERT INTO b VALUES (4)", { database: 'xa_' });
  await eventually('it is all there', async () => assert.deepEqual([await rows(), await server.sql('SELECT max(id) FROM xa_.b')], [[[100_001, 100_000]], [[4]]]), 30_000);
});

test('names that the history has itself, and a table called as its own', async (t) => {
  await db.sql('CREATE DATABASE names; USE names; CREATE TABLE a (id INT PRIMARY KEY, valid_from DATE, _time INT, _ended INT); CREATE TABLE _a (id INT PRIMARY KEY, v INT); INSERT INTO a VALUES (1, NULL, 1, 1); INSERT INTO _a VALUES (1, 1)');
  const server = await serve(t, 'names');
  await streaming(server);
  await db.sql("UPDATE a SET valid_from = '2024-01-01', _time = 2; UPDATE _a SET v = 2", { database: 'names' });
  await eventually('both have a history', async () => assert.deepEqual(await server.sql(
    "SELECT (SELECT list(_time ORDER BY _time)::VARCHAR FROM names_history.a), (SELECT list(v ORDER BY v)::VARCHAR FROM names_history._a), (SELECT count(*) FROM names_history.a WHERE valid_from_ IS NOT NULL)"), [['[1, 2]', '[1, 2]', 1]]), 15_000);
});

test('a value that no record can hold is said with its column, and the other tables are read', async (t) => {
  await db.sql(`CREATE DATABASE huge; USE huge; CREATE TABLE a (id INT PRIMARY KEY, note LONGTEXT, picture LONGBLOB); CREATE TABLE b (id INT PRIMARY KEY);
    INSERT INTO a VALUES (1, 'x', 'y'), (2, 'x', REPEAT('z', 80 << 20)); INSERT INTO b VALUES (1)`);
  const server = await serve(t, 'huge', { follow: false });
  const done = await run(['extract', 'huge', '--data', server.data]);
  assert.equal(done.code, 1);
  assert.match(done.stdout + done.stderr, /a row behind the key \(1\) has more than the 15 MB that a record of the log can hold, 80 MB of them in picture: leave picture out with exclude/);
  assert.deepEqual(await server.sql('SELECT id FROM huge.b'), [[1]]);
  const other = await serve(t, 'huge', { tables: { a: { exclude: ['picture'] }, b: {} } });
  await streaming(other);
  await db.sql("INSERT INTO a VALUES (3, 'new', REPEAT('q', 70 << 20)); INSERT INTO b VALUES (2)", { database: 'huge' });
  await eventually('rows come without it', async () => assert.deepEqual(await other.sql('SELECT id, note FROM huge.a ORDER BY id'), [[1, 'x'], [2, 'x'], [3, 'new']]), 30_000);
  const third = await serve(t, 'huge', { tables: ['b'] });
  await streaming(third);
});

test('a table that must be read again and cannot be is tried less and less often, and told', async (t) => {
  await db.sql('CREATE DATABASE again; USE again; CREATE TABLE a (id INT PRIMARY KEY, picture LONGBLOB); CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO a VALUES (1, NULL)');
  const server = await serve(t, 'again');
  await streaming(server);
  const connections = async () => Number((await db.rows("SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'connections'"))[0][0]);
  // A change that is logged as a statement has the table read again, whose row is then too large.
  await db.sql("SET SESSION binlog_format = STATEMENT; INSERT INTO a VALUES (2, REPEAT('z', 20 << 20)); SET SESSION binlog_format = ROW; INSERT INTO b VALUES (1)", { database: 'again' });
  await eventually('it is said', async () => {
    const status = await follow(server);
    assert.equal(status.state, 'waiting', JSON.stringify(status));
    assert.match(status.error, /20 MB of them in picture: leave picture out/);
  }, 20_000);
  const before = await connections();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  const opened = (await connections()) - before;
  assert.ok(opened < 30, `${opened} connections`);
  await db.sql('DELETE FROM a WHERE id = 2', { database: 'again' });
  await eventually('all has come', async () => assert.deepEqual([await server.sql('SELECT id FROM again.a'), await server.sql('SELECT id FROM again.b')], [[[1]], [[1]]]), 60_000);
});

test('a table with system versioning is not followed, which is said', async (t) => {
  await db.sql('CREATE DATABASE versioned; USE versioned; CREATE TABLE a (id INT PRIMARY KEY, x INT, s TIMESTAMP(6) GENERATED ALWAYS AS ROW START, e TIMESTAMP(6) GENERATED ALWAYS AS ROW END, PERIOD FOR SYSTEM_TIME (s, e)) WITH SYSTEM VERSIONING; CREATE TABLE h (id INT PRIMARY KEY) WITH SYSTEM VERSIONING; CREATE TABLE b (id INT PRIMARY KEY); INSERT INTO a (id, x) VALUES (1, 1); INSERT INTO h VALUES (1)');
  const server = await serve(t, 'versioned');
  await streaming(server);
  const { problems } = await follow(server);
  for (const table of ['a', 'h']) assert.match(problems[table], /WITH SYSTEM VERSIONING/);
  await (await server.asAdmin('POST', '/v1/extracts', { source: 'versioned' })).text();
  await streaming(server);
  await db.sql('UPDATE a SET x = 2; DELETE FROM h; INSERT INTO b VALUES (1)', { database: 'versioned' });
  await eventually('the other one follows', async () => assert.deepEqual(await server.sql('SELECT (SELECT list(x) FROM versioned.a)::VARCHAR, (SELECT count(*) FROM versioned.h), id FROM versioned.b'), [['[1]', 1, 1]]));
});

test('a cursor of bytes is refused', async (t) => {
  await db.sql('CREATE DATABASE cursors; USE cursors; CREATE TABLE a (id INT PRIMARY KEY, version BINARY(8) NOT NULL)');
  const server = await serve(t, 'cursors', { follow: false, tables: { a: { cursor: 'version' } } });
  const done = await run(['extract', 'cursors', '--data', server.data]);
  assert.match(done.stdout + done.stderr, /its cursor version must be a number, a time or a short text, not binary/);
});

test('text of every character set comes from the binary log as it does from a snapshot', async (t) => {
  const sets = (await db.rows("SELECT character_set_name FROM information_schema.character_sets WHERE character_set_name NOT IN ('binary', 'filename') ORDER BY 1")).flat();
  await db.sql('CREATE DATABASE sets');
  await db.sql(sets.map((name) => `CREATE TABLE read_${name} (id INT PRIMARY KEY, v VARCHAR(64) CHARACTER SET ${name}); CREATE TABLE live_${name} LIKE read_${name};`).join('\n'), { database: 'sets' });
  for (const name of sets) {
    // Every character of the plane that the set has, 32 in a row.
    await db.sql(`SET sql_mode = ''; INSERT INTO read_${name} SELECT seq DIV 32, GROUP_CONCAT(c ORDER BY seq SEPARATOR '') FROM
      (SELECT seq, CONVERT(CHAR(seq USING ucs2) USING ${name}) AS c FROM seq_32_to_65532 WHERE seq NOT BETWEEN 55296 AND 57343) x
      WHERE HEX(CONVERT(c USING ucs2)) = LPAD(HEX(seq), 4, '0') GROUP BY seq DIV 32`, { database: 'sets' });
  }
  const server = await serve(t, 'sets');
  await streaming(server);
  await db.sql(sets.map((name) => `INSERT INTO live_${name} SELECT * FROM read_${name};`).join('\n'), { database: 'sets' });
  const wrong = [];
  for (const name of sets) {
    const [[count]] = await db.rows(`SELECT COUNT(*) FROM read_${name}`, 'sets');
    await eventually(`${name} has come`, async () => assert.deepEqual(await server.sql(`SELECT count(*) FROM sets.live_${name}`), [[Number(count)]]));
    const unlike = await server.sql(`SELECT a.id, a.v, b.v FROM sets.read_${name} a JOIN sets.live_${name} b USING (id) WHERE a.v IS DISTINCT FROM b.v ORDER BY 1`);
    for (const [id, a, b] of unlike.slice(0, 3)) wrong.push(`${name} ${id}: ${a} / ${b}`);
    if (unlike.length > 3) wrong.push(`${name}: ${unlike.length} of ${count}`);
  }
  assert.deepEqual(wrong, []);
});
