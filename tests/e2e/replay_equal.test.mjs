// ctest: timeout 180
// Stream and batch agree: 60,000 events (200,000 with MILLRACE_SOAK=1) with repeats, late ones, orders seen twice and some
// that cannot be loaded, in four partitions, taken in live and then replayed, make the same tables and aggregations row
// for row.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { aggregations, factTables, largeBatches, sendEvents, tables } from '../support/events.mjs';
import { Server, run, temporaryDir } from '../support/millrace.mjs';

const events = process.env.MILLRACE_SOAK ? 200_000 : 60_000; // from 40,000 on orders repeat
const all = [...factTables, ...aggregations];

test(`the tables of ${events} events are those of their replay`, async () => {
  const project = await temporaryDir();
  const data = await temporaryDir();
  let server;
  try {
    await writeFile(path.join(project, 'millrace.yaml'), `${largeBatches}lake: {interval: 1s}\nlog: {partitions: 4}\n`);
    server = await Server.start({ data, args: ['--project', project] });
    await sendEvents(server, 0, events);
    assert.equal((await server.drained(120_000)).balanced, true);
    const live = await tables(server, 'main', all);
    assert.ok(live.events[0] > events / 2 && live.quarantine[0] === events / 20_000 && live.page_views_per_minute[0] > 50, JSON.stringify(live));

    const begun = Date.now();
    const replay = (...args) => run(['replay', '--data', data, ...args, '--json']);
    const beside = await replay('--into', 'replay_all');
    assert.equal(beside.code, 0, beside.stderr);
    const took = Date.now() - begun;
    assert.deepEqual(await tables(server, 'replay_all', all), live);

    const exchange = Date.now();
    const main = await replay('--from', `${events / 20}`, '--to', `${events / 5}`, '--into', 'main');
    assert.equal(main.code, 0, main.stderr);
    const result = JSON.parse(main.stdout);
    assert.ok(result.rows === result.replaced && result.rows > events * 0.3, main.stdout);
    assert.deepEqual(await tables(server, 'main', all), live);
    const { books } = await server.json('/v1/dashboard?window=all');
    assert.equal(books.balanced, true, JSON.stringify(books));
    console.log(`a schema in ${took} ms, ${result.rows} rows of the live tables in ${Date.now() - exchange} ms`);
  } finally {
    await server?.stop();
    await rm(project, { recursive: true, force: true });
    await rm(data, { recursive: true, force: true });
  }
});
