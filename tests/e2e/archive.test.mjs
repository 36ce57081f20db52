// Every event lands in the lake as files that any program can read, also when the server is killed meanwhile.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { execFileSync } from 'node:child_process';
import { Server, temporaryDir } from '../support/millrace.mjs';

const settings = 'lake: {interval: 1s, lateness: 10s}\nlog: {partitions: 2}\n';

/** Paths of all files under `dir`, relative to it. */
async function filesUnder(dir) {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((e) => e.isFile()).map((e) => path.relative(dir, path.join(e.path, e.name))).sort();
}

/** The lines of files, decompressed by the zstd everybody has. */
function linesOf(files) {
  if (files.length === 0) return [];
  const text = execFileSync('zstd', ['--decompress', '--stdout', '--quiet', ...files], { maxBuffer: 1 << 28 }).toString();
  return text.split('\n').slice(0, -1);
}

/** All events in the lake, as a stranger finds them. */
async function archived(data) {
  const dir = path.join(data, 'lake/raw/events');
  const files = await filesUnder(dir);
  return linesOf(files.map((f) => path.join(dir, f)));
}

async function send(server, ids) {
  const batch = ids.map((messageId) => ({ type: 'track', event: 'Product Viewed', messageId, anonymousId: `a-${messageId}`,
    properties: { product_id: 'p1', note: 'line\nbreak' } }));
  // Printed over several lines, as people do: in the lake each event is one line all the same.
  const answer = await server.post('/v1/batch', JSON.stringify({ batch }, null, 2));
  assert.equal(answer.status, 200);
}

async function until(what, holds, ms = 20_000) {
  for (const end = Date.now() + ms; Date.now() < end; ) {
    if (await holds()) return;
    await new Promise((r) => setTimeout(r, 100));
  }
  assert.fail(`not within ${ms} ms: ${what}`);
}

test('events land in the lake once each, through kills', { timeout: 120_000 }, async () => {
  const data = await temporaryDir();
  const project = await temporaryDir();
  try {
    await writeFile(path.join(project, 'millrace.yaml'), settings);
    const sent = [];
    for (let life = 0; life < 4; life++) {
      const server = await Server.start({ data, args: ['--project', project] });
      for (let i = 0; i < 6; i++) {
        const ids = Array.from({ length: 20 }, (_, n) => `m-${life}-${i}-${n}`);
        await send(server, ids);
        sent.push(...ids);
        await new Promise((r) => setTimeout(r, 150 + 120 * life));
      }
      await server.kill();
      const lines = await archived(data);
      const ids = lines.map((line) => JSON.parse(line).messageId);
      assert.equal(new Set(ids).size, ids.length, 'an event is there twice after a kill');
    }
    const server = await Server.start({ data, args: ['--project', project] });
    await until('all events in the lake', async () => (await archived(data)).length >= sent.length);
    const lines = await archived(data);
    assert.deepEqual(lines.map((line) => JSON.parse(line).messageId).sort(), [...sent].sort());

    const files = await filesUnder(path.join(data, 'lake/raw/events'));
    for (const file of files)
      assert.match(file, /^year=\d{4}\/month=\d\d\/day=\d\d\/hour=\d\d\/[01]-\d+-\d+\.jsonl\.zst$/);
    assert.deepEqual(await filesUnder(path.join(data, 'lake/raw/events.meta')), files, 'each file has its twin');
    const twins = linesOf(files.map((f) => path.join(data, 'lake/raw/events.meta', f))).map((l) => JSON.parse(l));
    assert.equal(twins.length, sent.length);
    for (const twin of twins) {
      const { messageId } = JSON.parse(Buffer.from(twin.value, 'latin1').toString('utf8'));
      assert.equal(twin.key, `a-${messageId}`, 'the twin holds the original bytes');
    }

    const metrics = await (await server.fetch('/metrics')).text();
    assert.match(metrics, /millrace_archive_lag_records 0\b/);
    assert.match(metrics, /millrace_archive_files_total [1-9]/);
    assert.match(metrics, /millrace_archive_last_file_age_seconds/);
    await server.stop();
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(project, { recursive: true, force: true });
  }
});

test('lake.archive: false writes nothing and holds back nothing', { timeout: 60_000 }, async () => {
  const data = await temporaryDir();
  const project = await temporaryDir();
  try {
    await writeFile(path.join(project, 'millrace.yaml'), 'lake: {archive: false}\n');
    const server = await Server.start({ data, args: ['--project', project] });
    await send(server, ['one']);
    await server.drained();
    await server.stop();
    assert.deepEqual(await archived(data), []);
    const groups = JSON.parse(await readFile(path.join(data, 'log/topics/events/groups.json'), 'utf8'));
    assert.ok(!JSON.stringify(groups).includes('archive'));
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(project, { recursive: true, force: true });
  }
});
