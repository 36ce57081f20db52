// The log (E16): kept over restarts, searched, followed; a record's id finds its lines and what became of it.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { binary, run, Server, temporaryDir } from '../support/millrace.mjs';

let data;
let server;
before(async () => {
  data = await temporaryDir();
  server = await Server.start({ data });
});
after(async () => {
  await server?.stop();
  await rm(data, { recursive: true, force: true });
});

const good = (id) => ({
  type: 'page',
  messageId: id,
  anonymousId: 'a1',
  timestamp: new Date().toISOString(),
  properties: { path: '/x' },
});
const refused = (id) => ({ type: 'track', messageId: id, anonymousId: 'a1', properties: {} });
const send = async (...batch) => {
  const answer = await server.post('/v1/batch', { batch });
  assert.equal(answer.status, 200, await answer.text());
};
const logs = (query) => server.json(`/v1/logs?${query}`);
const cli = (...args) => run(['logs', '--data', data, ...args]);
const until = async (check, what) => {
  for (let i = 0; i < 200; i++) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.fail(`never: ${what}`);
};

test("a refused event's lines are found by its place and by its message id", async () => {
  await send(refused('m-1'), good('m-12'), refused('m-1-b'));
  const { lines } = await until(async () => {
    const page = await logs('record=m-1');
    return page.lines.length > 0 && page;
  }, 'the line');
  assert.equal(lines.length, 1, 'and not those of m-1-b');
  assert.equal(lines[0].component, 'collect');
  assert.equal(lines[0].level, 'warning');
  assert.equal(lines[0].record, 'quarantine:0:0');
  assert.match(lines[0].error, /event/);
  assert.deepEqual((await logs('record=quarantine:0:0')).lines, lines);
  const shown = await cli('--record', 'quarantine:0:0');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /^2\d{3}-\S+Z warning collect: refused an event; .*record=quarantine:0:0 message_id=m-1 /);
  assert.doesNotMatch(shown.stdout, /\x1b/, 'no colours where nobody looks');
});

test('filters by component, level, time and text; refuses what it does not know', async () => {
  const ours = (await logs('component=app,collect&level=info&since=10m')).lines;
  assert.deepEqual([...new Set(ours.map(({ component }) => component))].sort(), ['app', 'collect']);
  assert.ok(ours.every(({ time }, i) => i === 0 || time <= ours[i - 1].time), 'newest first');
  assert.equal((await logs('level=error')).lines.length, 0);
  assert.equal((await logs('until=10m')).lines.length, 0);
  assert.equal((await logs('q=REFUSED%20an')).lines.length, 2);
  assert.equal((await logs(`q=${encodeURIComponent('.*("[')}`)).lines.length, 0);
  for (const [query, remedy] of [
    ['level=loud', /debug, info, warning, error/],
    ['since=yesterday', /10m/],
    ['cursor=x', /position/],
    [`q=${'a'.repeat(300)}`, /256 bytes/],
    ['limit=0', /limit/],
    ['componemt=load', /did you mean component/],
  ]) {
    const answer = await server.fetch(`/v1/logs?${query}`);
    assert.equal(answer.status, 400, query);
    assert.match((await answer.json()).message, remedy);
  }
});

test('pages back without losing or repeating a line', async () => {
  const all = (await logs('limit=1000')).lines;
  const paged = [];
  for (let cursor = ''; cursor !== null; ) {
    const page = await logs(`limit=1${cursor && `&cursor=${cursor}`}`);
    paged.push(...page.lines);
    cursor = page.cursor;
  }
  assert.deepEqual(paged.slice(-all.length), all);
});

test('says what became of a record', async () => {
  await send(good('m-2'), good('m-2'));
  await server.drained();
  const found = await server.json('/v1/records?message_id=m-2');
  assert.equal(found.rows.length, 1);
  const [id] = found.rows[0];
  const applied = await server.json(`/v1/records/${id}`);
  assert.equal(applied.warehouse.state, 'applied');
  assert.equal(JSON.parse(applied.text).messageId, 'm-2');
  assert.equal(applied.events[0].message_id, 'm-2');
  const next = id.replace(/\d+$/, (offset) => Number(offset) + 1);
  assert.equal((await server.json(`/v1/records/${next}`)).warehouse.state, 'duplicate');
  const bad = await server.json('/v1/records/quarantine:0:0');
  assert.equal(bad.warehouse.state, 'quarantined');
  assert.equal(JSON.parse(bad.text).messageId, 'm-1');
  assert.equal((await server.fetch('/v1/records/events:0')).status, 400);
  assert.equal((await server.fetch('/v1/records/nothing:0:0')).status, 404);
  assert.equal((await server.fetch("/v1/records/x':0:0")).status, 404);
  assert.deepEqual((await server.json(`/v1/records?message_id=${encodeURIComponent("' OR 1=1 --")}`)).rows, []);
});

test('follows over the end of one server and the start of the next', async () => {
  const following = spawn(binary, ['logs', '--data', data, '--follow', '--json', '--component', 'collect']);
  const seen = [];
  let rest = '';
  following.stdout.on('data', (chunk) => {
    rest += chunk;
    const lines = rest.split('\n');
    rest = lines.pop();
    seen.push(...lines.map((line) => JSON.parse(line)));
  });
  const ended = new Promise((resolve) => following.on('close', (code, signal) => resolve(signal)));
  const sees = (id) => until(() => seen.some((line) => line.message_id === id), id);
  await sees('m-1');
  await send(refused('followed-1'));
  await sees('followed-1');
  await server.kill();
  const shown = await cli('--grep', 'followed-1');
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stdout, /followed-1/, 'no server runs, and SIGKILL took nothing that was seen');
  server = await Server.start({ data });
  await send(refused('followed-2'));
  await sees('followed-2');
  following.kill('SIGINT');
  assert.equal(await ended, 'SIGINT');
  assert.equal(seen.filter(({ message_id }) => message_id === 'followed-1').length, 1);
  assert.ok(seen.every(({ component }) => component === 'collect'));
  assert.ok((await logs('record=m-1')).lines.length === 1, 'the lines of before the restart are still there');
});

test('a flood of refused events does not flood the log', async () => {
  const { end } = await logs('limit=1');
  await server.post('/v1/batch', { batch: Array.from({ length: 400 }, (_, i) => refused(`flood-${i}`)) });
  await new Promise((resolve) => setTimeout(resolve, 300));
  const fresh = (await logs('limit=1000&component=collect')).lines.filter(({ position }) => position > end);
  assert.ok(fresh.length > 5 && fresh.length <= 40, `${fresh.length} lines`);
});

test('the help teaches; a directory without data is said', async () => {
  const help = await run(['logs', '--help']);
  assert.match(help.stdout, /--record[\s\S]*millrace logs --level warning --since 1h/);
  const nothing = await run(['logs', '--data', `${data}/nothing`]);
  assert.equal(nothing.code, 1);
  assert.match(nothing.stderr, /no Millrace data/);
  const none = await cli('--grep', 'never said');
  assert.equal(none.code, 0);
  assert.match(none.stderr, /no lines match/);
});
