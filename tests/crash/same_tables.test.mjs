// One recorded log is taken in again and again, once undisturbed and then through kills at random moments: the
// tables are equal row for row. MILLRACE_CRASHES sets the number of kills (3; the soak uses 50).
// ctest: timeout 1200
import assert from 'node:assert/strict';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { largeBatches, sendEvents, tables } from '../support/events.mjs';
import { Server, temporaryDir } from '../support/millrace.mjs';

const kills = Number(process.env.MILLRACE_CRASHES ?? 3);
const events = kills > 10 ? 600_000 : 80_000;
let state = Number(process.env.MILLRACE_SEED ?? 20_26);
/** A seeded draw from [0, 1): Lehmer's generator. */
const draw = () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;

/** Start on `data` with limits that let large batches in. */
const start = (data, project) => Server.start({ data, args: ['--project', project], readyMs: 60_000 });

/** Record the events in a log of its own; returns its data directory. */
async function record(dir, project) {
  const data = path.join(dir, 'recorded');
  const server = await start(data, project);
  await sendEvents(server, 0, events);
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

test(`a log taken in through ${kills} kills makes the same tables as undisturbed`, { timeout: 1_200_000 }, async () => {
  const dir = await temporaryDir();
  const project = path.join(dir, 'project');
  try {
    await mkdir(project);
    await writeFile(path.join(project, 'millrace.yaml'), `${largeBatches}lake: {archive: false}\n`);
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
