// ctest: timeout 180
// Windows of an aggregation that a topic gets when they close: as documented, equal to the table, once each over kill -9.
import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually, run, Server, temporaryDir } from '../support/millrace.mjs';

const project = await temporaryDir();
const data = await temporaryDir();
const file = path.join(project, 'aggregations', 'by_second.yaml');
await mkdir(path.dirname(file));
await writeFile(path.join(project, 'millrace.yaml'), 'log: {partitions: 3}\nwindows: {disorder: 1s}\n');
await writeFile(
  file,
  `from: events
filter: type = 'item_view'
window: 2s
lateness: 1h
publish: views_by_second
keys: {country: country}
measures: {views: count, people: distinct(visitor), items: "top(item_id, 3)"}
`,
);
let server;
after(async () => {
  await server?.stop();
  for (const dir of [project, data]) await rm(dir, { recursive: true, force: true });
});
const start = () => Server.start({ data, args: ['--project', project] });

let n = 0;
const viewed = (time = new Date()) => ({
  type: 'track', event: 'Product Viewed', messageId: `m${n}`, anonymousId: `v${n++ % 7}`, timestamp: time.toISOString(),
  properties: { product_id: `p${n % 4}` },
});
const send = async (batch) => assert.equal((await server.post('/v1/batch', { batch })).status, 200);

/** Hand out and acknowledge what the subscription has. */
async function pull(name) {
  const ask = (call, body) =>
    server.fetch(`/v1/subscriptions/${name}/${call}`, { method: 'POST', body: JSON.stringify(body) }).then((answer) => answer.json());
  const { messages } = await ask('pull', { max: 1000, wait_ms: 200 });
  if (messages.length > 0) await ask('ack', { ack_ids: messages.map((one) => one.ack_id) });
  return messages.map(({ message }) => ({ ...JSON.parse(Buffer.from(message.data, 'base64')), attributes: message.attributes }));
}

/** The values that hold last, by window: as a subscriber keeps them. */
function lastOf(messages) {
  const last = new Map();
  for (const one of messages) {
    assert.notEqual(one.timing, 'early');
    const place = JSON.stringify([one.source, one.window_start, one.keys]);
    if (!(last.get(place)?.revision > one.revision)) last.set(place, one);
  }
  return [...last.values()]
    .map(({ window_start, keys, measures }) => [window_start, keys.country, measures.views, measures.people, measures.items])
    .sort((a, b) => (a[0] < b[0] ? -1 : 1));
}
const table = async () =>
  (await server.sql('SELECT window_start, country, views, people, items FROM by_second ORDER BY 1')).map((row) => [
    ...row.slice(0, 4), JSON.parse(row[4])]);

const received = [];
async function receivedAll(windows) {
  await eventually(`${windows} windows`, async () => {
    received.push(...(await pull('readers')));
    assert.ok(lastOf(received).length >= windows, `${lastOf(received).length}`);
  });
}

test('a subscriber gets each window when it has ended', async () => {
  server = await start();
  await server.fetch('/v1/subscriptions/readers', { method: 'PUT', body: JSON.stringify({ topic: 'views_by_second', start: 'start' }) });
  const begun = Date.now();
  for (let i = 0; i < 30; i++) {
    await send([viewed(), viewed()]);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const windows = (await eventually('the table', async () => (await server.drained(), table()))).length;
  await receivedAll(windows);
  assert.ok(Date.now() - begun < 30_000, 'seconds after its end');
  assert.deepEqual(lastOf(received), await table());
  assert.equal(received.length, windows, 'one message for all partitions');
  assert.ok(received.every(({ attributes }) => attributes.aggregation === 'by_second' && attributes.timing === 'on_time'));
});

test('late changes follow, and a repeat changes nothing', async () => {
  const [first] = lastOf(received);
  const before = received.length;
  const late = viewed(new Date(first[0]));
  await send([late]);
  await send([late]);
  await eventually('the late change', async () => {
    received.push(...(await pull('readers')));
    assert.ok(received.length > before);
  });
  assert.equal(received.at(-1).timing, 'late');
  assert.equal(received.at(-1).measures.views, first[2] + 1);
  await server.drained();
  assert.deepEqual(lastOf(received), await table());
});

test('kills lose no window and publish none twice', async () => {
  for (let kill = 0; kill < 4; kill++) {
    for (let i = 0; i < 8 + kill * 3; i++) {
      await send([viewed()]);
      await new Promise((resolve) => setTimeout(resolve, 120 + 37 * kill));
    }
    await server.kill();
    server = await start();
  }
  await server.drained();
  await receivedAll((await table()).length);
  assert.deepEqual(lastOf(received), await table());
  const shown = received.map((one) => JSON.stringify([one.source, one.window_start, one.keys, one.revision]));
  assert.equal(new Set(shown).size, shown.length);
  const onTime = received.filter(({ timing }) => timing === 'on_time').map(({ window_start }) => window_start);
  assert.equal(new Set(onTime).size, onTime.length);
});

test('the flow and the metrics show the job', async () => {
  const shown = async () => (await server.json('/v1/flow')).jobs.find(({ name }) => name === 'windows');
  await send([viewed()]);
  await eventually('a window that is open', async () => {
    const { lag_records, window_watermark_delay_seconds: delay } = await shown();
    assert.equal(lag_records, 0);
    assert.ok(delay > 0 && delay < 60, `${delay}`);
  });
  await eventually('none', async () => assert.equal((await shown()).window_watermark_delay_seconds, 0));
  const metrics = await (await server.fetch('/metrics')).text();
  for (const name of ['published_total', 'snapshot_age_seconds', 'entries', 'bytes', 'too_late_total'])
    assert.match(metrics, new RegExp(`millrace_window_${name}\\{job="windows"\\} `));
});

test('is refused with file and line; without it nothing runs', async () => {
  await server.stop();
  await writeFile(file, 'from: events\nwindow: 1m\nmeasures: {views: count}\npublish: events\n');
  const refused = await run(['up', '--project', project, '--data', data, '--listen', '127.0.0.1:0']);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /by_second\.yaml:4: events is Millrace's own/);
  await writeFile(file, 'from: events\nwindow: 1m\nmeasures: {views: count}\n');
  server = await start();
  assert.equal((await server.json('/v1/flow')).jobs.find(({ name }) => name === 'windows'), undefined);
});
