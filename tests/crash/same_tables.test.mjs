// One recorded log is taken in again and again, once undisturbed and then through kills at random moments: the
// tables are equal row for row. MILLRACE_CRASHES sets the number of kills (3; the soak uses 50).
// ctest: timeout 1200
import assert from 'node:assert/strict';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

const kills = Number(process.env.MILLRACE_CRASHES ?? 3);
const events = kills > 10 ? 600_000 : 80_000;
const batch = 5_000;
let state = Number(process.env.MILLRACE_SEED ?? 20_26);
/** A seeded draw from [0, 1): Lehmer's generator. */
const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;

/** Event `i`: every 20th repeats an earlier one, every 50th is an order of which some come twice, one in 20,000 fits no column. */
function event(i) {
  const type = ['page_view', 'item_view', 'list_view', 'add_to_cart', 'read'][i % 5];
  const time = new Date(1_752_000_000_000 + i * 40).toISOString();
  const who = { anonymous_id: `a${i % 3_000}`, timestamp: time };
  if (i % 20 === 19) return { ...event(i - 13), timestamp: time };
  if (i % 20_000 === 7) {
    const items = [{ item_id: 'p1', price: '90000000000000', quantity: '1000000' }];
    return { type: 'purchase', message_id: `m${i}`, ...who, items, order: { order_id: `huge${i}` } };
  }
  if (i % 50 === 0) {
    const order = i % 40_000;
    const items = [{ item_id: `p${order % 70}`, price: '2.50', quantity: 2 }, { item_id: 'p1', price: '1.25' }];
    return { type: 'purchase', message_id: `m${i}`, ...who, items, order: { order_id: `o${order}`, revenue: '6.25' } };
  }
  const items = [{ item_id: `p${i % 90}` }, { item_id: `p${i % 7}` }].slice(0, type === 'list_view' ? 2 : 1);
  return { type, message_id: `m${i}`, ...who, items: type === 'page_view' ? [] : items };
}

/** Start on `data` with limits that let large batches in. */
const start = (data, project) => Server.start({ data, args: ['--project', project], readyMs: 60_000 });

/** Record the events in a log of its own; returns its data directory. */
async function record(dir, project) {
  const data = path.join(dir, 'recorded');
  const server = await start(data, project);
  for (let i = 0; i < events; i += batch) {
    const answer = await server.post('/v1/events', Array.from({ length: batch }, (_, k) => event(i + k)));
    assert.equal(answer.status, 200, await answer.clone().text());
    assert.equal((await answer.json()).accepted, batch);
  }
  await server.stop();
  return data;
}

/** Copy what was recorded, and nothing that was made of it. */
async function copyLog(from, to) {
  await rm(to, { recursive: true, force: true });
  await mkdir(to);
  await cp(path.join(from, 'log'), path.join(to, 'log'), { recursive: true });
  await cp(path.join(from, 'VERSION'), path.join(to, 'VERSION'));
}

/** What is in each table: its number of rows and the sum of their hashes, in which no order counts. */
async function tables(server) {
  const found = {};
  for (const name of ['events', 'order_lines', 'event_items', 'quarantine', 'visits', '_books', '_offsets']) {
    const columns = name === 'quarantine' ? '* EXCLUDE (first_attempt_time, last_attempt_time)' : '*';
    [found[name]] = await server.sql(`SELECT count(*), sum(hash(t)::HUGEINT)::VARCHAR FROM (SELECT ${columns} FROM ${name}) t`);
  }
  return found;
}

test(`a log taken in through ${kills} kills makes the same tables as undisturbed`, { timeout: 1_200_000 }, async () => {
  const dir = await temporaryDir();
  const project = path.join(dir, 'project');
  try {
    await mkdir(project);
    await writeFile(path.join(project, 'millrace.yaml'), 'collect: {batch_bytes_max: 16MB, body_bytes_max: 16MB}\nlake: {archive: false}\n');
    const recorded = await record(dir, project);
    const data = path.join(dir, 'data');
    await copyLog(recorded, data);
    const begun = Date.now();
    let server = await start(data, project);
    const books = await server.drained(120_000);
    const taken = Date.now() - begun;
    assert.equal(books.balanced, true);
    const expected = await tables(server);
    await server.stop();
    assert.ok(expected.events[0] > events / 2 && expected.quarantine[0] === Math.ceil((events - 7) / 20_000), JSON.stringify(expected));

    let interrupted = 0;
    for (let kill = 0; kill < kills;) {
      await copyLog(recorded, data);
      for (let pending = true; pending && kill < kills; kill++) {
        server = await start(data, project);
        pending = (await server.json('/v1/dashboard?window=all')).books.pending > 0;
        await new Promise((r) => setTimeout(r, draw() * 0.7 * taken));
        await server.kill();
        if (pending) interrupted++;
      }
      server = await start(data, project);
      assert.equal((await server.drained(120_000)).balanced, true);
      assert.deepEqual(await tables(server), expected);
      await server.stop();
    }
    assert.ok(interrupted > 0, 'every kill came after everything was loaded: nothing was proven');
    console.log(`${interrupted} of ${kills} kills while loading; undisturbed in ${taken} ms: ${JSON.stringify(expected)}`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
