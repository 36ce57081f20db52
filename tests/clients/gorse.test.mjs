// Gorse's public Node library, unchanged, pointed at Millrace.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import gorsejs from 'gorsejs';
import { Server, eventually } from '../support/millrace.mjs';

const { Gorse } = gorsejs;
let server;
let client;
before(async () => {
  server = await Server.start();
  client = new Gorse({ endpoint: server.url, secret: 'any' });
});
after(() => server.stop());

const minute = (n) => new Date(Date.now() - 3_600_000 + n * 60_000).toISOString();
const like = (UserId, ItemId, n) => ({ FeedbackType: 'like', UserId, ItemId, Timestamp: minute(n) });

test('a user is put, read, changed and deleted', async () => {
  assert.equal(await client.insertUser({ UserId: '100', Labels: ['a', 'b'], Comment: 'comment' }), 1);
  await eventually('the user', async () =>
    assert.deepEqual(await client.getUser('100'), { UserId: '100', Labels: ['a', 'b'], Comment: 'comment' }));
  assert.equal(await client.updateUser('100', { Comment: 'other' }), 1);
  await eventually('the change', async () => assert.equal((await client.getUser('100')).Comment, 'other'));
  assert.deepEqual((await client.getUser('100')).Labels, ['a', 'b']);
  assert.equal(await client.deleteUser('100'), 1);
  await eventually('the end', () =>
    assert.rejects(client.getUser('100'), (error) => error.code === 404 && /100/.test(error.message)));
});

test('an item comes back as it went in, and its categories change', async () => {
  const item = { ItemId: '7', IsHidden: true, Labels: ['a', 'b'], Categories: ['d', 'e'], Timestamp: '2022-08-07T00:26:46Z', Comment: 'c' };
  assert.equal(await client.upsertItem(item), 1);
  await eventually('the item', async () => assert.deepEqual(await client.getItem('7'), item));
  assert.equal(await client.insertItemCategory('7', 'f'), 1);
  await eventually('f', async () => assert.deepEqual((await client.getItem('7')).Categories, ['d', 'e', 'f']));
  assert.equal(await client.deleteItemCategory('7', 'd'), 1);
  await eventually('no d', async () => assert.deepEqual((await client.getItem('7')).Categories, ['e', 'f']));
  assert.equal(await client.deleteItem('7'), 1);
  await eventually('the end', () => assert.rejects(client.getItem('7'), (error) => error.code === 404));
});

test('who liked A and B gets C, which others liked with them', async () => {
  const ids = ['A', 'B', 'C', 'D', 'E'];
  const items = ids.map((ItemId) => ({ ItemId, IsHidden: false, Timestamp: minute(0), Categories: ['all', ItemId === 'C' ? 'rare' : 'common'] }));
  assert.equal(await client.upsertItems(items), 5);
  assert.equal(await client.insertUsers([{ UserId: 'ada' }, { UserId: 'bob' }]), 2);
  const feedback = [like('ada', 'A', 1), like('ada', 'B', 2)];
  for (let u = 0; u < 5; u++) feedback.push(...['A', 'B', 'C'].map((id, i) => like(`with-${u}`, id, i)));
  for (let u = 0; u < 9; u++) feedback.push(...['D', 'E'].map((id, i) => like(`other-${u}`, id, i)));
  assert.equal(await client.insertFeedbacks(feedback), feedback.length);
  await client.insertFeedbacks(feedback);
  await server.drained();
  const counted = await server.sql("SELECT count(*), min(value), max(value) FROM events WHERE type = 'rating'");
  assert.deepEqual(counted, [[feedback.length, 5, 5]]);
  await eventually('C', async () => {
    const ids = await client.getRecommend({ userId: 'ada' });
    assert.equal(ids[0], 'C');
    assert.ok(!ids.includes('A') && !ids.includes('B'));
  });
  assert.deepEqual(await client.getRecommend({ userId: 'ada', category: 'rare' }), ['C']);
  const two = await client.getRecommend({ userId: 'ada', cursorOptions: { n: 2 } });
  assert.deepEqual(await client.getRecommend({ userId: 'ada', cursorOptions: { n: 1, offset: 1 } }), two.slice(1));
  assert.equal((await client.getItemNeighbors({ itemId: 'D' }))[0].Id, 'E');
  assert.equal((await client.getSessionRecommend([like('', 'A', 1), like('', 'B', 2)]))[0].Id, 'C');
  assert.equal((await client.getPopular({ category: 'common' })).length, 4);
  assert.equal((await client.getLatest({ category: 'rare' }))[0].Id, 'C');
  assert.equal((await client.getUserFeedback('ada')).length, 2);
  assert.equal((await client.getFeedback({ type: 'like', userId: 'ada', itemId: 'A' })).FeedbackType, 'like');
  await assert.rejects(client.deleteFeedback({ type: 'like', userId: 'ada', itemId: 'A' }), (error) => error.code === 501);
  await assert.rejects(client.getUserNeighbors({ userId: 'ada' }), (error) => error.code === 501 && /vectors/.test(error.message));
});

test('lists are read page by page', async () => {
  const seen = [];
  let Cursor;
  do {
    const page = await client.getItems({ n: 2, Cursor });
    seen.push(...page.Items.map((item) => item.ItemId));
    Cursor = page.Cursor;
  } while (Cursor);
  assert.deepEqual(seen, ['A', 'B', 'C', 'D', 'E']);
  const all = (await client.getFeedbacks('like', { n: 1000 })).Feedbacks;
  const keys = new Set();
  do {
    const page = await client.getFeedbacks('like', { n: 10, Cursor });
    for (const f of page.Feedbacks) keys.add(`${f.UserId}/${f.ItemId}`);
    Cursor = page.Cursor;
  } while (Cursor);
  assert.equal(keys.size, all.length);
});

test('what was written back is not shown again', async () => {
  const first = await client.getRecommend({ userId: 'bob', writeBackType: 'read', cursorOptions: { n: 2 } });
  assert.equal(first.length, 2);
  await eventually('other items', async () => {
    const next = await client.getRecommend({ userId: 'bob', cursorOptions: { n: 5 } });
    assert.ok(next.every((id) => !first.includes(id)), `${first} then ${next}`);
  });
});
