// A shop's own event log, followed line by line (E7): fresh within milliseconds, each line once through kill -9 and rotation.
// ctest: timeout 120
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, run, Server, temporaryDir } from '../support/millrace.mjs';

const line = (n, product = `p${n % 7}`) => `${JSON.stringify({ type: 'item_view', user_id: `u${n % 5}`, value: n, items: [{ item_id: product }] })}\n`;

async function projectFor(settings) {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), settings);
  return project;
}

test('a written line is in the next recommendation within 100 ms', async (t) => {
  const project = await projectFor('follow:\n  shop_log: {path: log/events.jsonl, format: native}\n');
  mkdirSync(path.join(project, 'log'));
  const file = path.join(project, 'log/events.jsonl');
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  let written = 0;
  // Products that are seen by many, so that there is something to recommend.
  for (; written < 60; written++) appendFileSync(file, line(written));
  await eventually('the lines are in the tables', async () => assert.deepEqual(await server.sql('SELECT count(*) FROM events'), [[written]]));
  assert.deepEqual(await server.sql('SELECT DISTINCT source FROM events'), [['shop_log']]);

  const waits = [];
  for (let i = 0; i < 15; i++) {
    const user = `fresh-${i}`;
    const started = performance.now();
    appendFileSync(file, line(i, 'p3').replace(`"u${i % 5}"`, `"${user}"`));
    for (;;) {
      const answer = await server.json(`/v1/recommendations?user=${user}&n=3`);
      if (answer.fallback === null && answer.items.some(({ reason }) => reason.because?.includes('p3'))) break;
      assert.ok(performance.now() - started < 10_000, JSON.stringify(answer));
      await new Promise((r) => setTimeout(r, 1));
    }
    waits.push(performance.now() - started);
  }
  waits.sort((a, b) => a - b);
  t.diagnostic(`written line to recommendation: median ${waits[7].toFixed(1)} ms, slowest ${waits[14].toFixed(1)} ms`);
});

test('each line counts once through kill -9 and rotation', async (t) => {
  const project = await projectFor('follow:\n  shop_log: {path: events.jsonl, format: native, source: shop}\nlog: {partitions: 2}\n');
  const data = await temporaryDir();
  const file = path.join(project, 'events.jsonl');
  let written = 0;
  const write = (count) => {
    let text = '';
    for (let i = 0; i < count; i++) text += line(written++);
    appendFileSync(file, text);
  };
  for (let life = 0; life < 4; life++) {
    write(400);
    const server = await Server.start({ data, args: ['--project', project] });
    for (let i = 0; i < 8; i++) {
      write(150);
      if (i === 5) renameSync(file, `${file}.${life + 1}`);
      await new Promise((r) => setTimeout(r, 60 + 40 * life));
    }
    await server.kill();
  }
  appendFileSync(file, '{"type":"item_view"');
  const server = await Server.start({ data, args: ['--project', project] });
  t.after(() => server.stop());
  for (const end = Date.now() + 60_000; ; await new Promise((r) => setTimeout(r, 100))) {
    const [[count, distinct, sum]] = await server.sql('SELECT count(*), count(DISTINCT value), sum(value)::BIGINT FROM events');
    if (Number(count) >= written || Date.now() > end) {
      assert.deepEqual([count, distinct, sum].map(Number), [written, written, (written * (written - 1)) / 2]);
      break;
    }
  }
  const books = await server.drained();
  assert.equal(books.logged, written, `nor does the log hold a line twice: ${JSON.stringify(books)}`);
  assert.deepEqual(await server.sql('SELECT count(*) FROM quarantine'), [[0]], 'a line half written is no event yet');
});

test('mistakes of the configuration name their place', async () => {
  const project = await projectFor('follow:\n  a: {path: x, format: csv}\n  b: {path: x, format: jsonl}\n  c: {path: y, format: jsonl, map: m.yaml}\n');
  writeFileSync(path.join(project, 'm.yaml'), 'format: jsonl\ntype: read\ntime: at\ngroup_by: [a]\n');
  const refused = await run(['up', '--project', project, '--data', path.join(project, 'data')]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /millrace\.yaml:2: takes segment, .* or jsonl with a mapping/);
  assert.match(refused.stderr, /millrace\.yaml:3: .*'map'/);
  assert.match(refused.stderr, /millrace\.yaml:3: this file is followed under another name already/);
  assert.match(refused.stderr, /millrace\.yaml:4: rows cannot be grouped while the file grows/);
});
