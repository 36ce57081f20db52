// The commands, as a person meets them.
import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, heedingPermissions, run, temporaryDir } from '../support/millrace.mjs';

let dir;
before(async () => (dir = await temporaryDir()));
after(() => rm(dir, { recursive: true, force: true }));

const visit = (n) => JSON.stringify({ session_id: `SID-${n}`, user_id: `UID-${n}`, device_type: 'mobile', geolocation: '1,2', user_agent: 'x',
  events: [{ event_type: 'page_view', timestamp: '2024-07-01T09:00:00Z', details: { page_url: `https://example.com/p${n}`, referrer_url: null } }] });

test('help teaches, and wrong usage is exit code 2', async () => {
  const help = await run(['--help']);
  assert.equal(help.code, 0);
  for (const word of ['up', 'demo', 'ingest', 'simulate', 'recommend', 'sql']) assert.match(help.stdout, new RegExp(`^\\s+${word} `, 'm'));
  for (const command of ['up', 'ingest', 'simulate', 'sql', 'recommend', 'demo']) {
    const text = (await run([command, '--help'])).stdout;
    assert.match(text, /--/, command);
  }
  assert.equal((await run(['nonsense'])).code, 2);
  assert.equal((await run(['sql'])).code, 2);
  assert.equal((await run(['--version'])).stdout.trim(), '0.1.0');
});

test('a mistyped command or option gets the nearest known one', async () => {
  for (const [args, meant] of [
    [['ingset', 'csv', 'x.csv'], 'ingest'],
    [['up', '--lsten', '127.0.0.1:0'], '--listen'],
    [['ingest', '--mpa', 'm.yaml', 'csv', 'x.csv'], '--map'],
  ]) {
    const done = await run(args);
    assert.equal(done.code, 2);
    assert.match(done.stderr, new RegExp(`did you mean '${meant}'\\?`), args.join(' '));
  }
});

test('ingest and sql work with no server running, and again with one', async (t) => {
  const data = path.join(dir, 'own');
  const file = path.join(dir, 'visits.jsonl');
  await writeFile(file, [1, 2, 3].map(visit).join('\n') + '\n');
  const first = await run(['ingest', 'visits', file, '--data', data, '--json']);
  assert.equal(first.code, 0, first.stderr);
  assert.equal(JSON.parse(first.stdout).events, 3);
  const count = () => run(['sql', 'SELECT count(*) AS n FROM events', '--data', data, '--json']);
  assert.deepEqual(JSON.parse((await count()).stdout).rows, [[3]]);

  const skipped = await run(['ingest', 'visits', file, '--data', data]);
  assert.match(skipped.stdout, /skipped/);
  const server = await Server.start({ data });
  t.after(() => server.stop());
  const again = await run(['ingest', 'visits', file, '--data', data, '--again', '--json']);
  assert.equal(JSON.parse(again.stdout).events, 3);
  const books = await server.drained();
  assert.equal(books.balanced, true);
  assert.equal(books.duplicate, 3, 'the same events again are duplicates');
  assert.deepEqual(JSON.parse((await count()).stdout).rows, [[3]]);
  await server.stop();
});

test('asking where there is no data says so and makes nothing', async () => {
  const data = path.join(dir, 'nothing-here');
  for (const args of [['sql', 'SELECT 1'], ['recommend', '--user', 'u']]) {
    const done = await run([...args, '--data', data]);
    assert.equal(done.code, 1);
    assert.match(done.stderr, /no Millrace data in .*nothing-here/);
  }
  await assert.rejects(stat(data));
});

test('bad rows go to quarantine with file and line', async (t) => {
  const file = path.join(dir, 'bad.jsonl');
  await writeFile(file, `${visit(1)}\n{"session_id":\n${visit(2)}\n`);
  const server = await Server.start();
  t.after(() => server.stop());
  const result = JSON.parse((await run(['ingest', 'visits', file, '--data', server.data, '--json'])).stdout);
  assert.deepEqual([result.events, result.quarantined], [2, 1]);
  await server.drained();
  const [[where]] = await server.sql('SELECT where_ FROM quarantine');
  assert.match(where, /bad\.jsonl:2/);
  await server.stop();
});

test('a second process on one data directory gets a clear error', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const second = await run(['up', '--data', server.data, '--listen', '127.0.0.1:0'], { timeoutMs: 10_000 });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /another process|in use|already/i);
  await server.stop();
});

test('an address in use gets a clear error', async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  const second = await run(['up', '--data', path.join(dir, 'other'), '--listen', new URL(server.url).host], { timeoutMs: 10_000 });
  assert.equal(second.code, 1);
  assert.match(second.stderr, /in use/);
  await assert.rejects(stat(path.join(dir, 'other')), 'a data directory was left behind');
  await server.stop();
});

test('a typo in the configuration is pointed at', async () => {
  const project = path.join(dir, 'project');
  await mkdir(project);
  await writeFile(path.join(project, 'millrace.yaml'), 'listen: 127.0.0.1:0\nlog:\n  retenton: 7d\n');
  const started = await run(['up', '--project', project], { timeoutMs: 10_000 });
  assert.equal(started.code, 1);
  assert.match(started.stderr, /millrace\.yaml:3/);
  assert.match(started.stderr, /retention/);
});

test('listening beyond this machine without a token is refused', async () => {
  const started = await run(['up', '--data', path.join(dir, 'open'), '--listen', '0.0.0.0:0'], { timeoutMs: 10_000 });
  assert.equal(started.code, 1);
  assert.match(started.stderr, /auth\.token/);
});

test('a data directory that cannot be written is a clear error', async () => {
  const locked = path.join(dir, 'read-only');
  await mkdir(locked);
  await chmod(locked, 0o500);
  const up = (data) => run(['up', '--data', data, '--listen', '127.0.0.1:0'], { timeoutMs: 10_000, through: heedingPermissions });
  const started = await up(path.join(locked, 'data'));
  assert.equal(started.code, 1);
  assert.match(started.stderr, /read-only.*: cannot make directory: Permission denied/);

  const file = path.join(dir, 'not-a-directory');
  await writeFile(file, 'x');
  const inTheWay = await up(file);
  assert.equal(inTheWay.code, 1);
  assert.match(inTheWay.stderr, /not-a-directory/);
  assert.equal(await readFile(file, 'utf8'), 'x');
});

test('a newer data directory is refused', async (t) => {
  const data = path.join(dir, 'newer');
  const server = await Server.start({ data });
  t.after(() => server.stop());
  assert.equal((await stat(path.join(data, 'server.json'))).mode & 0o077, 0, 'the token is readable by others');
  await server.stop();
  assert.equal((await readFile(path.join(data, 'VERSION'), 'utf8')).trim(), '1');
  await writeFile(path.join(data, 'VERSION'), '99\n');
  const started = await run(['up', '--data', data, '--listen', '127.0.0.1:0'], { timeoutMs: 10_000 });
  assert.equal(started.code, 1);
  assert.match(started.stderr, /version 99/);
});

test('simulate sends visits in each shape, open loop', { timeout: 120_000 }, async (t) => {
  const server = await Server.start();
  t.after(() => server.stop());
  for (const shape of ['events', 'visits', 'activity']) {
    const done = await run(['simulate', '--target', server.url, '--visits-per-minute', '1200', '--minutes', '0.05', '--think', '0.05', '--as', shape, '--seed', '3', ...(shape === 'events' ? ['--catalogue'] : [])]);
    assert.equal(done.code, 0, done.stderr);
  }
  const books = await server.drained();
  assert.equal(books.balanced, true);
  assert.equal(books.quarantined, 0, JSON.stringify(await server.sql('SELECT message FROM quarantine LIMIT 3')));
  const types = Object.fromEntries(await server.sql('SELECT type, count(*) FROM events GROUP BY type'));
  for (const type of ['page_view', 'item_view', 'add_to_cart', 'activity']) assert.ok(types[type] > 0, `no ${type}: ${JSON.stringify(types)}`);
  const stopped = await server.stop();
  assert.equal(stopped.code, 0);
});

test('a demo ends by itself with balanced books', { timeout: 180_000 }, async () => {
  const done = await run(['demo', '--listen', '127.0.0.1:0', '--minutes', '0.1'], { timeoutMs: 170_000 });
  assert.equal(done.code, 0, done.stderr + done.stdout);
  assert.match(done.stdout, /dashboard +http:\/\//);
  assert.match(done.stdout, /books +balanced/);
  const reasons = done.stdout.match(/^ {4}\S.* {2,}\S.+$/gm) ?? [];
  assert.ok(reasons.length >= 9, done.stdout);
});
