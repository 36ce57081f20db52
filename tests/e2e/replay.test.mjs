// ctest: timeout 240
// A replay from the lake gives the tables of the stream, run beside the stream, again, and with no server running; into
// the live tables it changes nothing of them while loading goes on; hours of Parquet are written anew.
import assert from 'node:assert/strict';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, eventually, run, temporaryDir } from '../support/millrace.mjs';

const tables = ['events', 'order_lines', 'event_items', 'quarantine', 'visits', 'item_popularity', 'sales_by_hour', 'mine'];

async function send(server, from, to) {
  const batch = Array.from({ length: to - from }, (_, i) => ({ type: 'track', event: 'Order Completed', messageId: `m${from + i}`,
    anonymousId: `a${i % 7}`, properties: { order_id: `o${from + i}`, products: [{ product_id: 'p1', price: 2 }, { product_id: 'p2' }] } }));
  batch.push(batch[0], { type: 'track', event: 'Product Viewed', messageId: `bad${from}` }); // a retry, and nobody's
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
}

async function assertEqualTables(server, schema) {
  for (const table of tables) {
    const rows = await server.sql(`(FROM main.${table} EXCEPT ALL FROM ${schema}.${table}) UNION ALL (FROM ${schema}.${table} EXCEPT ALL FROM main.${table})`);
    assert.deepEqual(rows, [], table);
  }
}

test('a replay gives the tables of the stream', async () => {
  const data = await temporaryDir();
  const project = await temporaryDir();
  try {
    await writeFile(path.join(project, 'millrace.yaml'), 'lake: {interval: 1s}\nlog: {partitions: 2}\n');
    await mkdir(path.join(project, 'aggregations'));
    await writeFile(path.join(project, 'aggregations', 'mine.yaml'), 'from: events\nwindow: 1h\nkeys: {who: visitor}\nmeasures: {n: count}\n');
    const server = await Server.start({ data, args: ['--project', project] });
    const replay = (...args) => run(['replay', '--data', data, ...args]);
    await send(server, 0, 300);
    await server.drained();
    const first = await replay('--from', 'lake', '--into', 'replay_check', '--json');
    assert.equal(first.code, 0, first.stderr);
    const result = JSON.parse(first.stdout);
    assert.equal(result.rows, Number((await server.sql('SELECT count(*) FROM events'))[0][0]));
    assert.ok(result.records > 300);
    await assertEqualTables(server, 'replay_check');

    await send(server, 300, 400);
    await server.drained();
    const second = await replay('--into', 'replay_check');
    assert.equal(second.code, 0, second.stderr);
    assert.match(second.stdout, /records read; replay_check\.events has \d+ rows/);
    await assertEqualTables(server, 'replay_check');
    const third = JSON.parse((await replay('--into', 'replay_check', '--json')).stdout);
    assert.equal(third.records, 0);

    for (const [args, words] of [
      [['--from', 'yesterday', '--into', 'replay_x'], /'yesterday' is no place to replay from: lake, an offset, or a time/],
      [['--into', 'events'], /name a schema such as replay_june, or main/],
      [[], /say where the rows go: name a schema/],
      [['--into', 'main'], /say from where on/],
      [['--from', '3', '--into', 'replay_check'], /holds a replay from lake/],
      [['--job', 'bake', '--into', 'replay_x'], /load and curate are/],
    ]) {
      const answer = await replay(...args);
      assert.equal(answer.code, 1);
      assert.match(answer.stderr, words);
    }
    const list = await replay('--list');
    assert.match(list.stdout, /^replay_check {2}from lake {2}\d+ rows {2}at events\/0:\d+ events\/1:\d+ quarantine\/0:2$/m);
    assert.deepEqual((await (await server.asAdmin('GET', '/v1/replays')).json()).replays.map((r) => [r.schema, r.from, r.running]), [['replay_check', 'lake', false]]);
    assert.equal((await replay('--drop', 'replay_check')).code, 0);
    await assert.rejects(server.sql('FROM replay_check.events'), /no table|does not exist|replay_check/);
    const gone = await server.asAdmin('DELETE', '/v1/replays/replay_check');
    assert.equal(gone.status, 404);
    assert.match((await gone.json()).message, /--list/);
    const metrics = await (await server.fetch('/metrics')).text();
    const total = (job) => Number(new RegExp(`^millrace_job_events_total{job="${job}"} (\\S+)`, 'm').exec(metrics)[1]);
    assert.deepEqual([total('load'), total('replay')], [402, 402]);
    await server.stop();

    const alone = await run(['replay', '--data', data, '--into', 'replay_alone', '--json']);
    assert.equal(alone.code, 0, alone.stderr);
    assert.equal(JSON.parse(alone.stdout).rows, result.rows + 100);
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(project, { recursive: true, force: true });
  }
});

test('live rows are replaced while loading goes on', async () => {
  const server = await Server.start();
  try {
    await send(server, 0, 2000);
    await server.drained();
    let sent = 2000;
    let stop = false;
    let reads = 0;
    const sending = (async () => {
      // Steadily, not as fast as may be: a slow machine must not be given ever more to replay.
      for (; !stop; sent += 50, await new Promise((resolve) => setTimeout(resolve, 20))) await send(server, sent, sent + 50);
    })();
    const reading = (async () => {
      for (; !stop; reads++) {
        const [[rows, lines, counted]] = await server.sql(`SELECT (SELECT count(*) FROM events WHERE log_offset < 400),
          (SELECT count(*) FROM order_lines WHERE log_offset < 400), (SELECT sum(purchases) FROM item_popularity) = (SELECT count(*) FROM order_lines)`);
        assert.deepEqual([rows > 300, lines, counted], [true, rows * 2, true]);
      }
    })();
    for (let i = 0; i < 3; i++) {
      const answer = await server.asAdmin('POST', '/v1/replays', { from: 'lake', into: 'main' });
      const last = JSON.parse((await answer.text()).trim().split('\n').at(-1));
      assert.ok(last.result?.rows >= 2000 && last.result.rows === last.result.replaced, JSON.stringify(last));
    }
    stop = true;
    await Promise.all([sending, reading]);
    assert.ok(reads > 3 && sent > 2000, `${reads} reads, ${sent} sent`);
    const books = await server.drained();
    assert.equal(books.balanced, true, JSON.stringify(books));
    assert.equal((await server.sql('SELECT count(*) FROM events'))[0][0], sent);
    const check = await (await server.asAdmin('POST', '/v1/replays', { into: 'replay_check' })).text();
    assert.ok(JSON.parse(check.trim().split('\n').at(-1)).result, check);
    for (const table of tables.slice(0, -1)) {
      assert.deepEqual(await server.sql(`(FROM main.${table} EXCEPT ALL FROM replay_check.${table}) UNION ALL (FROM replay_check.${table} EXCEPT ALL FROM main.${table})`), [], table);
    }
    for (const [body, words] of [
      [{ from: 'lake' }, /name a schema/],
      [{ from: 'lake', into: 'main', hour: '3' }, /from, to, job and into/],
      [{ job: 'archive', into: 'main' }, /cannot be replayed/],
    ]) assert.match(await (await server.asAdmin('POST', '/v1/replays', body)).text(), words);
  } finally {
    await server.stop();
  }
});

test('hours of Parquet are written anew', async () => {
  const project = await temporaryDir();
  await writeFile(path.join(project, 'millrace.yaml'), 'lake: {interval: 1s, lateness: 1s, curated_interval: 1s}\n');
  const server = await Server.start({ args: ['--project', project] });
  try {
    const timestamp = '2026-07-01T09:10:00Z';
    const files = () => readdir(path.join(server.data, 'lake/curated/events/dt=2026-07-01/hour=09')).catch(() => []);
    for (const [n, messageId] of ['a', 'b'].entries()) {
      await server.post('/v1/track', { event: 'Seen', messageId, anonymousId: 'x', timestamp });
      await eventually('a file', async () => assert.equal((await files()).length, n + 1));
      // It lies there a moment before it is true.
      await eventually('it counts', async () => assert.match(await (await server.fetch('/metrics')).text(), new RegExp(`^millrace_curated_files_total(\\{[^}]*\\})? ${n + 1}$`, 'm')));
    }
    const rebuild = (...args) => run(['replay', '--data', server.data, '--job', 'curate', ...args]);
    const before = await rebuild('--from', '2026-07-01T10:00:00Z', '--to', '2026-07-01T11:00:00Z');
    assert.match(before.stdout, /0 rows written to 0 files/);
    const done = await rebuild('--from', '2026-07-01T09:00:00Z', '--to', '2026-07-01T10:00:00Z');
    assert.match(done.stdout, /2 rows written to 1 file, which took the place of 2/, done.stdout + done.stderr);
    assert.equal((await files()).length, 1);
    assert.match((await rebuild()).stdout, /0 rows written to 0 files/);
  } finally {
    await server.stop();
    await rm(project, { recursive: true, force: true });
  }
});
