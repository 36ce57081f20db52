// ctest: timeout 120
// A project that declares an aggregation: counted while events come in, kept over kill -9, changed, refused with its line.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { run, Server, temporaryDir } from '../support/millrace.mjs';

const project = await temporaryDir();
const data = await temporaryDir();
const file = path.join(project, 'aggregations', 'searches.yaml');
await mkdir(path.dirname(file));
await writeFile(path.join(project, 'millrace.yaml'), 'log: {partitions: 2}\n');
await writeFile(
  file,
  "from: events\nfilter: type = 'search'\nwindow: 1h\nkeys: {country: country}\nmeasures:\n  searches: count\n  people: distinct(visitor)\n  queries: top(search_query, 3)\n",
);
let server;
after(async () => {
  await server?.stop();
  for (const dir of [project, data]) await rm(dir, { recursive: true, force: true });
});

const start = () => Server.start({ data, args: ['--project', project] });
const search = (id, who, query, time) => ({
  type: 'track', event: 'Products Searched', messageId: id, anonymousId: who, properties: { query }, timestamp: time,
});
const counted = () => server.sql('SELECT window_start, country, searches, people, queries FROM searches ORDER BY 1');

test('counts what comes in, late, twice and through a kill', async () => {
  server = await start();
  const batch = [
    search('1', 'a', 'rose', '2026-01-31T12:10:00Z'),
    search('2', 'b', 'rose', '2026-01-31T12:59:59Z'),
    search('3', 'b', 'rake', '2026-01-31T12:20:00Z'),
    search('2', 'b', 'rose', '2026-01-31T12:59:59Z'),
    search('4', 'c', 'spade', '2026-01-31T13:00:00Z'),
  ];
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
  await server.drained();
  await server.kill();
  server = await start();
  await server.post('/v1/batch', { batch: [search('5', 'd', 'rake', '2026-01-30T08:00:00Z'), batch[0]] });
  await server.drained();
  const rows = await counted();
  assert.deepEqual(
    rows.map(([start, , searches, people, queries]) => [start, searches, people, JSON.parse(queries).map((q) => [q.value, q.count])]),
    [
      ['2026-01-30T08:00:00Z', 1, 1, [['rake', 1]]],
      ['2026-01-31T12:00:00Z', 3, 2, [['rose', 2], ['rake', 1]]],
      ['2026-01-31T13:00:00Z', 1, 1, [['spade', 1]]],
    ],
  );
});

test('millrace sql reads it, also those that are built in', async () => {
  const answer = await run(['sql', '--data', data, 'SELECT sum(events)::BIGINT AS n FROM visits_by_device']);
  assert.equal(answer.code, 0, answer.stderr);
  assert.match(answer.stdout, /5/);
});

test('is refused with file and line, and changed when mended', async () => {
  await server.stop();
  await writeFile(file, 'from: events\nfilter: typ = 1\nwindow: -1h\nmeasures: {searches: count}\n');
  const refused = await run(['up', '--project', project, '--data', data, '--listen', '127.0.0.1:0']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /searches\.yaml:2.*no column typ.*did you mean type/);
  assert.match(refused.stderr, /searches\.yaml:3/);

  await writeFile(file, "from: events\nwindow: 1d\nmeasures: {searches: count(type = 'search')}\n");
  server = await start();
  const end = Date.now() + 20_000;
  let rows;
  do rows = await server.sql('SELECT searches FROM searches ORDER BY window_start');
  while (rows.length < 2 && Date.now() < end);
  assert.deepEqual(rows, [[1], [4]]);
});
