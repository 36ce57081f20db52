// What the recommender remembers, over stops, kills and damage: the same answers, and no rebuild where none is needed.
import assert from 'node:assert/strict';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, eventually, temporaryDir } from '../support/millrace.mjs';

let data;
let server;
let sent = 0;
const snapshot = () => path.join(data, 'recommender.snapshot');

before(async () => {
  data = await temporaryDir();
  server = await Server.start({ data });
  await server.fetch('/v1/items', { method: 'PUT', body: JSON.stringify([{ id: 'i3', name: 'Glass Lid', price: '9.5' }]) });
  for (let u = 0; u < 30; u++) await view(`u${u}`, ...(u % 2 ? ['i2', 'i3'] : ['i4', 'i5']));
  await view('me', 'i2');
  await server.post('/v1/track', { type: 'track', event: 'Order Completed', messageId: 'o', userId: 'buyer',
    properties: { order_id: 'o1', currency: 'EUR', products: [{ product_id: 'i4', price: 3, quantity: 1 }] } });
  await server.drained();
});
after(async () => {
  await server.stop();
  await rm(data, { recursive: true, force: true });
});

async function view(user, ...items) {
  const batch = items.map((id) => ({ type: 'track', event: 'Product Viewed', messageId: `m${sent++}`, userId: user, properties: { product_id: id } }));
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
}

/** What a few people are told, without what differs by its nature. */
async function told() {
  const answers = {};
  for (const user of ['me', 'buyer', 'u0', 'u1', 'nobody']) {
    const answer = await server.json(`/v1/recommendations?user=${user}&n=10`);
    answers[user] = { fallback: answer.fallback, items: answer.items.map((i) => [i.id, i.reason.text]) };
  }
  return answers;
}

const restart = async () => {
  server = await Server.start({ data });
  return server.stderr;
};

test('a stop writes the snapshot, the next start takes it', async () => {
  await eventually('the lists', async () => assert.match(JSON.stringify(await told()), /Sold most this week/));
  const before = await told();
  assert.equal(before.me.items[0][0], 'i3');
  await server.stop();
  assert.ok((await stat(snapshot())).size > 100);
  await restart();
  assert.match(server.stderr, /memory restored from its snapshot/);
  assert.deepEqual(await told(), before);
});

test('after a kill the log tells what came after the snapshot', async () => {
  await view('killed', 'i4');
  await eventually('the click', async () => assert.equal((await server.json('/v1/recommendations?user=killed')).items[0].id, 'i5'));
  const before = await told();
  await server.kill();
  await restart();
  assert.match(server.stderr, /memory restored from its snapshot/);
  await eventually('the click', async () => assert.equal((await server.json('/v1/recommendations?user=killed')).items[0].id, 'i5'));
  assert.deepEqual(await told(), before);
});

test('a damaged one is left unused, and nothing is lost', async () => {
  const before = await told();
  await server.stop();
  const bytes = await readFile(snapshot());
  bytes[bytes.length >> 1] ^= 4;
  await writeFile(snapshot(), bytes);
  await restart();
  assert.match(server.stderr, /cannot use the saved memory.*checksum/);
  assert.match(server.stderr, /memory rebuilt/);
  assert.deepEqual(await told(), before);
});

test('what a person does not want to see stays away, also over a restart', async () => {
  const event = { type: 'track', event: 'not_interested', messageId: 'no', userId: 'me', properties: { product_id: 'i3' } };
  assert.equal((await server.post('/v1/track', event)).status, 200);
  const hidden = async () => assert.ok(!(await told()).me.items.some(([id]) => id === 'i3'));
  await eventually('the event', hidden);
  await server.drained();
  for (const rebuilt of [false, true]) {
    await server.stop();
    if (rebuilt) await rm(snapshot());
    await restart();
    assert.match(server.stderr, rebuilt ? /memory rebuilt/ : /memory restored/);
    await hidden();
  }
});
