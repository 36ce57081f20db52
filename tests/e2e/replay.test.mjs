// ctest: timeout 120
// A replay from the lake gives the tables of the stream, run beside the stream, again, and with no server running.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, run, temporaryDir } from '../support/millrace.mjs';

const tables = ['events', 'order_lines', 'event_items', 'quarantine', 'visits'];

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
      [['--into', 'events'], /name a schema such as replay_june/],
      [['--from', '3', '--into', 'replay_check'], /holds a replay from lake/],
      [['--job', 'bake', '--into', 'replay_x'], /only load is/],
    ]) {
      const answer = await replay(...args);
      assert.equal(answer.code, 1);
      assert.match(answer.stderr, words);
    }
    await server.stop();

    const alone = await run(['replay', '--data', data, '--into', 'replay_alone', '--json']);
    assert.equal(alone.code, 0, alone.stderr);
    assert.equal(JSON.parse(alone.stdout).rows, result.rows + 100);
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(project, { recursive: true, force: true });
  }
});
