// Kill the server at random moments of a replay, into a schema of its own and into the live tables; given once more it
// ends, and every table is what an undisturbed one makes. MILLRACE_CRASHES sets the number of kills (3; the soak uses 50).
// ctest: timeout 1200
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { aggregations, factTables, largeBatches, sendEvents, tables } from '../support/events.mjs';
import { Server, temporaryDir } from '../support/millrace.mjs';

const kills = Number(process.env.MILLRACE_CRASHES ?? 3);
const events = 80_000;
const all = [...factTables, ...aggregations];
let state = Number(process.env.MILLRACE_SEED ?? 20_26);
/** A seeded draw from [0, 1): Lehmer's generator. */
const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;

/** Ask for a replay and read its lines to the end: the result, or nothing when the server went away. */
async function replay(server, request) {
  try {
    const answer = await server.asAdmin('POST', '/v1/replays', request);
    const lines = (await answer.text()).trim().split('\n').map((line) => JSON.parse(line));
    const last = lines.at(-1);
    assert.ok(!last.error, JSON.stringify(last));
    return last.result;
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error;
    return undefined;
  }
}

/** Replay through kills; `check` looks at the tables after each, and last when the replay has ended. */
async function throughKills(start, request, took, check) {
  let interrupted = 0;
  for (let kill = 0; kill < kills; kill++) {
    const server = await start();
    await server.drained(60_000);
    const outcome = replay(server, request);
    await new Promise((r) => setTimeout(r, draw() * took));
    await server.kill();
    if ((await outcome) === undefined) interrupted++;
    const after = await start();
    await check(after, false);
    await after.stop();
  }
  const server = await start();
  assert.ok(await replay(server, request));
  await check(server, true);
  await server.stop();
  assert.ok(interrupted > 0, 'every kill came after the end: nothing was proven');
  return interrupted;
}

test(`${kills} kills of a replay change nothing of what it makes`, { timeout: 1_200_000 }, async () => {
  const project = await temporaryDir();
  const data = await temporaryDir();
  let server;
  const start = async () => (server = await Server.start({ data, args: ['--project', project], readyMs: 60_000 }));
  try {
    await writeFile(path.join(project, 'millrace.yaml'), `${largeBatches}lake: {interval: 1s}\nlog: {partitions: 2}\n`);
    await start();
    await sendEvents(server, 0, events);
    await server.drained(60_000);
    const live = await tables(server, 'main', all);
    const main = { from: '5000', to: '35000', into: 'main' };
    let begun = Date.now();
    assert.ok(await replay(server, { into: 'replay_once' }));
    const schemaTook = Date.now() - begun;
    begun = Date.now();
    assert.ok(await replay(server, main));
    const mainTook = Date.now() - begun;
    assert.deepEqual(await tables(server, 'replay_once', all), live);
    await server.stop();

    const intoSchema = await throughKills(start, { into: 'replay_killed' }, schemaTook, async (after, ended) => {
      if (ended) assert.deepEqual(await tables(after, 'replay_killed', all), live);
    });
    const intoMain = await throughKills(start, main, mainTook, async (after) => {
      assert.deepEqual(await tables(after, 'main', all), live);
      assert.equal((await after.json('/v1/dashboard?window=all')).books.balanced, true);
    });
    console.log(`interrupted ${intoSchema} of ${kills} into a schema (${schemaTook} ms), ${intoMain} into main (${mainTook} ms)`);
  } finally {
    await server?.stop();
    await rm(project, { recursive: true, force: true });
    await rm(data, { recursive: true, force: true });
  }
});
