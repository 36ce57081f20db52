// Ingest over HTTP beside everything else that the server does.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

test('ingests that take long leave the dashboard and SQL alone, and too many get 429', async (t) => {
  const dir = await temporaryDir();
  const data = path.join(dir, 'data');
  const server = await Server.start({ data });
  // A pipe that nobody writes to is a file that takes for ever; only SIGKILL ends such a server at once.
  t.after(async () => {
    await server.kill();
    await rm(dir, { recursive: true, force: true });
  });
  const { token } = JSON.parse(await readFile(path.join(data, 'server.json'), 'utf8'));
  const pipe = path.join(dir, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const ingest = () =>
    server.fetch('/v1/ingest', {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
      body: JSON.stringify({ format: 'visits', files: [pipe] }),
    });
  const refused = [];
  const running = [];
  for (let i = 0; i < 20; i++) {
    ingest().then((answer) => (answer.status === 200 ? running : refused).push(answer), () => {});
  }
  const end = Date.now() + 20_000;
  while ((running.length < 2 || refused.length < 10) && Date.now() < end) await new Promise((r) => setTimeout(r, 20));
  assert.deepEqual([running.length, refused.length], [2, 10], 'two run, eight wait');
  for (const answer of refused) {
    assert.equal(answer.status, 429);
    assert.ok(answer.headers.get('retry-after'));
    assert.match((await answer.json()).message, /other ingests run.*try again/);
  }
  const slow = { signal: AbortSignal.timeout(10_000) };
  assert.equal((await server.fetch('/v1/dashboard', slow)).status, 200);
  assert.equal((await server.fetch('/v1/items', slow)).status, 200);
  assert.deepEqual(await server.sql('SELECT 1'), [[1]]);
});
