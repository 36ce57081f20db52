// ctest: timeout 300
// Reading by a cursor where it meets what else a table can be: read whole, or broken off.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MariaDb, readerEnv } from '../support/mariadb.mjs';
import { Server, eventually, run, temporaryDir } from '../support/millrace.mjs';

let db;
before(async () => (db = await MariaDb.start()));
after(() => db.stop());

const start = (data, project) => Server.start({ data, args: ['--project', project], env: readerEnv });
const extract = (server, source, ...args) => run(['extract', source, '--data', server.data, ...args]);

async function extracted(server, source, ...args) {
  const done = await extract(server, source, '--json', ...args);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
}

test('--restart --incremental begins a broken snapshot anew, so that nothing resumes it later', async (t) => {
  await db.sql(`CREATE DATABASE anew; USE anew; CREATE TABLE o (id INT PRIMARY KEY, v VARCHAR(100), version INT NOT NULL, KEY (version));
    INSERT INTO o SELECT seq, REPEAT('x', 90), 1 FROM seq_1_to_4000`);
  const fast = await db.project('anew', { database: 'anew', tables: { o: { cursor: 'version' } }, chunk_rows: 500 });
  const slow = await db.project('anew', { database: 'anew', tables: { o: { cursor: 'version' } }, chunk_rows: 500, limits: { rows_per_second: 1000 } });
  const data = await temporaryDir();
  const first = await start(data, fast);
  t.after(() => first.kill());
  await extracted(first, 'anew');
  await first.stop();
  const second = await start(data, slow);
  t.after(() => second.kill());
  const broken = extract(second, 'anew');
  await eventually('a part is there', async () => {
    const { sources } = await (await second.asAdmin('GET', '/v1/extracts')).json();
    assert.ok((sources[0].tables[0].unfinished_rows ?? 0) >= 500);
  });
  await second.kill();
  assert.notEqual((await broken).code, 0);
  await db.sql("UPDATE o SET v = 'new', version = 2 WHERE id = 1; DELETE FROM o WHERE id = 2", { database: 'anew' });
  const third = await start(data, fast);
  t.after(() => third.stop());
  const result = await extracted(third, 'anew', '--restart', '--incremental');
  assert.equal(result.tables[0].mode, 'snapshot');
  assert.deepEqual(await third.sql("SELECT count(*), count(*) FILTER (v = 'new') FROM anew.o"), [[3999, 1]]);
  assert.equal((await extracted(third, 'anew')).tables[0].mode, 'snapshot');
});

test('a table that snapshots read whole loses no row of one cursor value at the end of a chunk', async (t) => {
  await db.sql(`CREATE DATABASE bulk; USE bulk; CREATE TABLE o (id INT PRIMARY KEY, version INT NOT NULL, KEY (version));
    INSERT INTO o SELECT seq, 1 FROM seq_1_to_35`);
  const project = await db.project('bulk', { database: 'bulk', tables: { o: { whole: true, cursor: 'version' } }, chunk_rows: 10 });
  const server = await start(await temporaryDir(), project);
  t.after(() => server.stop());
  assert.equal((await extracted(server, 'bulk')).rows, 35);
  await db.sql('UPDATE o SET version = 2', { database: 'bulk' });
  const result = await extracted(server, 'bulk', '--incremental');
  assert.deepEqual([result.tables[0].mode, result.rows], ['changes', 35]);
  assert.deepEqual(await server.sql('SELECT count(*), min(version) FROM bulk.o'), [[35, 2]]);
});
