// Files of other programs: sessions of web analytics (N1, N2) and Parquet, through mappings.
import assert from 'node:assert/strict';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gaSessions, timesOnPage } from '../support/ga_sessions.mjs';
import { root, run, Server, temporaryDir } from '../support/millrace.mjs';

const sorted = (rows) => rows.map((row) => row.join(' ')).sort();

test('sessions of web analytics become reads, articles and a training set of times on page (N1, N2)', async (t) => {
  const project = await temporaryDir();
  cpSync(path.join(root, 'examples/news'), project, { recursive: true });
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  const sessions = gaSessions(300);
  const file = path.join(project, 'ga_sessions_20261101.jsonl');
  writeFileSync(file, sessions.map((session) => `${JSON.stringify(session)}\n`).join(''));
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const ingest = (format, map, name) => run(['ingest', format, '--map', path.join(project, 'mappings', map), name, '--data', server.data, '--json']);
  const loaded = await ingest('jsonl', 'ga_sessions.yaml', file);
  assert.equal(loaded.code, 0, loaded.stderr);
  const hits = sessions.flatMap((session) => session.hits);
  assert.equal(JSON.parse(loaded.stdout).events, hits.length);
  const articles = await ingest('items', 'ga_articles.yaml', file);
  assert.equal(articles.code, 0, articles.stderr);
  const ids = new Set(hits.flatMap((hit) => hit.customDimensions.filter(({ index }) => index === '10').map(({ value }) => value)));
  assert.equal(JSON.parse(articles.stdout).events, ids.size);
  await server.drained();

  assert.deepEqual(await server.sql('SELECT count(DISTINCT visit_id) FROM events'), [[sessions.length]]);
  const made = await run(['training-set', 'build', 'time_on_page', '--data', server.data, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const expected = timesOnPage(sessions);
  assert.ok(expected.length > 500, `${expected.length}`);
  const [manifest] = JSON.parse(made.stdout).training_sets;
  assert.equal(manifest.rows + manifest.repeats_left_out, expected.length);
  const select = readFileSync(path.join(project, 'training_sets/time_on_page.yaml'), 'utf8').match(/from: \|\n([\s\S]*?)\n {2}key:/)[1];
  const rows = await server.sql(`SELECT "clientId", "contentId", "timeOnPage" FROM (${select}) LIMIT 5000`);
  assert.deepEqual(sorted(rows), sorted(expected));

  // The set itself is Parquet; read as such, its rows are as many events.
  writeFileSync(path.join(project, 'mappings/times.yaml'),
    'source: times\nformat: parquet\ntype: read\ntime: event_time\nfields: {user_id: clientId, value: timeOnPage}\nitem: {item_id: contentId}\n');
  const parquet = manifest.files.map((name) => path.join(server.data, 'lake', manifest.path, name));
  const again = await run(['ingest', 'parquet', '--map', path.join(project, 'mappings/times.yaml'), ...parquet, '--data', server.data, '--json']);
  assert.equal(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).events, manifest.rows);
  await server.drained();
  const [[count, sum]] = await server.sql("SELECT count(*), sum(value)::BIGINT FROM events WHERE source = 'times'");
  assert.equal(Number(count), manifest.rows);
  assert.ok(Number(sum) > 0);

  // A file that was not written to its end says so, and nothing of it counts.
  const torn = path.join(project, 'torn.parquet');
  writeFileSync(torn, readFileSync(parquet[0]).subarray(0, -12));
  const refused = await run(['ingest', 'parquet', '--map', path.join(project, 'mappings/times.yaml'), torn, '--data', server.data]);
  assert.equal(refused.code, 1);
  assert.match(refused.stdout + refused.stderr, /damaged or was not written to its end/);
});
