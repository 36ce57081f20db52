// Features from end to end (C11): declared in a project, served in Feast's shape, equal to what training gets.
import assert from 'node:assert/strict';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, root, run, Server, temporaryDir } from '../support/millrace.mjs';

async function projectWith(files) {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.join(project, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(project, name), text);
  }
  return project;
}

const activity = `owner: web
description: lately
entity: visitor
flow: item_interactions
features:
  views_1h: {value: count, where: {type: item_view}, window: 1h, description: views}
  last_item: {value: last(item_id), where: {type: item_view}, description: the last}
  spent: {value: sum(price), where: {type: add_to_cart}, description: in the cart}
  last_order: {value: last(order_id), description: the last order}
`;
const homes = `owner: crm
description: where they were last
entity: {customer_id: visitor}
from: SELECT visitor, page_path, event_time FROM events WHERE type = 'page_view'
time: event_time
max_age: 1d
refresh: 1d
features:
  page: {value: page_path, type: VARCHAR, description: the page}
`;

let n = 0;
const track = (event, who, properties, time) => ({
  type: 'track', event, messageId: `m${n++}`, anonymousId: who, properties, timestamp: time,
});
const online = async (server, features, entities, more = {}) => {
  const answer = await server.post('/v1/features/online', { features, entities, ...more });
  return { status: answer.status, body: await answer.json() };
};

test('a click changes the next answer; statuses, parity and training say the same', async (t) => {
  const project = await projectWith({
    'features/activity.yaml': activity,
    'training_sets/carts.yaml': `labels: {from: "SELECT visitor, item_id, event_time FROM item_interactions WHERE type = 'add_to_cart'", key: [visitor, item_id], time: event_time}
features: ['activity:views_1h', 'activity:last_item']
`,
  });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  await eventually('ready', async () => assert.equal((await server.fetch('/readyz')).status, 200));
  const none = await online(server, ['activity:views_1h'], { visitor: ['anna'] });
  assert.deepEqual(none.body.results[1], { values: [null], statuses: ['NOT_FOUND'], event_timestamps: ['1970-01-01T00:00:00Z'] });

  const now = Date.now();
  const at = (ms) => new Date(now - ms).toISOString();
  const rake = track('Product Viewed', 'anna', { product_id: 'rake' }, at(2000));
  assert.equal((await server.post('/v1/batch', { batch: [rake, track('Product Viewed', 'anna', { product_id: 'pot' }, at(1000)), track('Product Added', 'anna', { product_id: 'pot', price: 12.5 }, at(500))] })).status, 200);
  const begin = Date.now();
  await eventually('the click is there', async () => {
    const { body } = await online(server, ['activity'], { visitor: ['anna', 'bert'] });
    assert.equal(body.results[1].values[0], 2);
    assert.deepEqual(body.metadata.feature_names, ['visitor', 'views_1h', 'last_item', 'spent', 'last_order']);
    assert.deepEqual(body.results.map(({ values }) => values[0]), ['anna', 2, 'pot', 12.5, null]);
    assert.deepEqual(body.results.map(({ statuses }) => statuses[0]), ['PRESENT', 'PRESENT', 'PRESENT', 'PRESENT', 'NULL_VALUE']);
    assert.deepEqual(body.results.map(({ statuses }) => statuses[1]), ['PRESENT', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND']);
    assert.equal(body.results[1].event_timestamps[0], at(500).replace(/\.000Z/, 'Z').replace(/(\.\d*?)0*Z/, (all, digits) => `${digits.padEnd(7, '0')}Z`));
  });
  t.diagnostic(`the click was there ${Date.now() - begin} ms after its answer`);

  // A repeat counts once, at the latest when it is loaded.
  await server.post('/v1/batch', { batch: [rake] });
  await server.drained();
  const parity = await run(['features', 'parity', '--all', '--json', '--data', server.data]);
  assert.equal(parity.code, 0, parity.stdout + parity.stderr);
  assert.deepEqual(JSON.parse(parity.stdout).views.map(({ view, entities, values, different }) => ({ view, entities, values, different })), [{ view: 'activity', entities: 1, values: 4, different: 0 }]);
  assert.equal((await online(server, ['activity:views_1h'], { visitor: ['anna'] })).body.results[1].values[0], 2);

  const made = await run(['training-set', 'build', 'carts', '--data', server.data, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const [manifest] = JSON.parse(made.stdout).training_sets;
  assert.deepEqual(Object.keys(manifest.views), ['activity']);
  assert.deepEqual(manifest.columns.map(({ name }) => name), ['visitor', 'item_id', 'event_time', 'views_1h', 'last_item']);
  const rows = (await (await server.fetch('/v1/training-sets/carts/rows')).text()).trimEnd().split('\n').map(JSON.parse);
  assert.deepEqual(rows.map(({ event_time: time, ...row }) => row), [{ visitor: 'anna', item_id: 'pot', views_1h: 2, last_item: 'pot' }]);
  assert.equal((await server.fetch('/v1/training-sets/card/rows')).status, 404);

  const got = await run(['features', 'get', 'activity:views_1h', '--entity', 'visitor=anna', '-e', 'visitor=bert', '--data', server.data]);
  assert.equal(got.stdout, 'visitor="anna"  views_1h=2\nvisitor="bert"  views_1h=NOT_FOUND\n', got.stderr);
  const list = await run(['features', 'list', '--data', server.data]);
  assert.match(list.stdout, /activity of visitor \(web; as it happens\): lately\n {2}views_1h +BIGINT +views/);

  // After a restart memory is filled from the tables.
  const data = server.data;
  server.ownsData = false;
  await server.stop();
  const again = await run(['features', 'get', 'activity', '-e', 'visitor=anna', '--data', data, '--project', project]);
  assert.match(again.stdout, /views_1h=2 {2}last_item="pot" {2}spent=12\.5 {2}last_order=NULL_VALUE/, again.stderr);
  server.ownsData = true;
});

test('views of tables: as they were read last; what changed since is a difference, and exit code 1', async (t) => {
  const project = await projectWith({ 'features/homes.yaml': homes });
  const data = await temporaryDir();
  const first = await Server.start({ data, args: ['--project', project] });
  const hour = 3_600_000;
  const at = (ms) => new Date(Date.now() - ms).toISOString();
  const page = (who, where, ms) => ({ type: 'page', messageId: `p${n++}`, anonymousId: who, timestamp: at(ms), properties: { path: where } });
  await first.post('/v1/batch', { batch: [page('7', '/a', hour), page('old', '/z', 48 * hour)] });
  await first.drained();
  await first.stop();
  const server = await Server.start({ data, args: ['--project', project] });
  server.ownsData = true;
  t.after(() => server.stop());
  await eventually('ready', async () => assert.equal((await server.fetch('/readyz')).status, 200));
  const { body } = await online(server, ['homes:page'], { customer_id: [7, 'old', 'new'] });
  assert.deepEqual(body.results[0].values, [7, 'old', 'new']);
  assert.deepEqual(body.results[1].values, ['/a', null, null]);
  assert.deepEqual(body.results[1].statuses, ['PRESENT', 'OUTSIDE_MAX_AGE', 'NOT_FOUND']);
  assert.equal((await run(['features', 'parity', '--data', data])).code, 0);
  await server.post('/v1/batch', { batch: [page('7', '/late', hour / 2)] });
  await server.drained();
  const parity = await run(['features', 'parity', 'homes', '--data', data]);
  assert.equal(parity.code, 1);
  assert.match(parity.stdout, /homes: 2 values of 2 entities as of .*: 1 differ\n {2}page of \["7"\]: online "\/a", offline "\/late"/);
});

test('what is served stays what training gets: over a kill, and when a file is loaded again with other rows', async (t) => {
  const project = await projectWith({ 'features/activity.yaml': activity.replace('value: sum(price), where: {type: add_to_cart}', 'value: sum(price), window: 7d') });
  const data = await temporaryDir();
  let server = await Server.start({ data, args: ['--project', project] });
  t.after(() => server.stop());
  const parity = async () => {
    const done = await run(['features', 'parity', '--all', '--json', '--data', data]);
    assert.equal(done.code, 0, done.stdout + done.stderr);
    return JSON.parse(done.stdout).views[0].entities;
  };
  for (let round = 0; round < 3; round++) {
    const batch = [];
    for (let i = 0; i < 200; i++) batch.push(track(i % 3 ? 'Product Viewed' : 'Product Added', `v${i % 17}`, { product_id: `p${i % 7}`, price: i / 4 }, new Date(Date.now() - i * 60_000).toISOString()));
    assert.equal((await server.post('/v1/batch', { batch: [...batch, ...batch.slice(0, 20)] })).status, 200);
    await server.kill();
    server = await Server.start({ data, args: ['--project', project] });
    await server.drained();
    assert.equal(await parity(), 17);
  }
  const file = path.join(project, 'orders.csv');
  const hourAgo = new Date(Date.now() - 3_600_000).toISOString().slice(0, 19);
  writeFileSync(file, ['no,who,instead,code,price,at', ...Array.from({ length: 50 }, (_, i) => `${i},first${i % 5},second${i % 5},c${i % 3},1.25,${hourAgo}`)].join('\n'));
  const ingest = async (who, ...more) => {
    const map = path.join(project, `${who}.yaml`);
    writeFileSync(map, `source: shop\ntype: purchase\ntime: at\ngroup_by: [no]\nfields: {user_id: ${who}}\norder: {order_id: no}\nitem: {item_id: code, price: price}\n`);
    const done = await run(['ingest', 'csv', '--map', map, file, '--data', data, ...more]);
    assert.equal(done.code, 0, done.stderr);
    await server.drained();
  };
  await ingest('who');
  assert.equal(await parity(), 22);
  await ingest('instead', '--again');
  await eventually('those of before are forgotten', async () => {
    const { body } = await online(server, ['activity:spent'], { visitor: ['first1', 'second1'] });
    assert.deepEqual(body.results[1].values, [null, 12.5]);
  });
  assert.equal(await parity(), 22);
  server.ownsData = true;
});

test('mistakes teach', async (t) => {
  const project = await projectWith({ 'features/activity.yaml': activity, 'features/homes.yaml': homes });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const refused = async (body) => {
    const answer = await server.post('/v1/features/online', body);
    return `${answer.status} ${(await answer.json()).message}`;
  };
  assert.match(await refused('{}'), /400 send \{"features":\["VIEW:FEATURE"\]/);
  assert.match(await refused({ features: ['activty:views_1h'], entities: { visitor: ['a'] } }), /404 .*did you mean activity\?/);
  assert.match(await refused({ features: ['activity:view_1h'], entities: { visitor: ['a'] } }), /404 .*did you mean views_1h\?/);
  assert.match(await refused({ features: ['activity:views_1h'], entities: { user: ['a'] } }), /400 .*activity is about visitor: give its values/);
  assert.match(await refused({ features: ['activity:views_1h'], entities: { visitor: ['a'], customer_id: ['b'] } }), /400 .*none of these features is about it; they are about visitor/);
  assert.match(await refused({ features: ['activity:views_1h', 'homes:page'], entities: { visitor: ['a'], customer_id: ['b', 'c'] } }), /400 .*a row takes one of each/);
  assert.match(await refused({ features: ['activity:views_1h', 'activity:views_1h'], entities: { visitor: ['a'] } }), /full_feature_names/);
  assert.match(await refused({ features: ['activity:views_1h'], entities: { visitor: [1.5] } }), /texts and whole numbers/);
  assert.match(await refused({ features: ['activity:views_1h'], entitys: {}, entities: { visitor: ['a'] } }), /did you mean entities/);
  const full = await online(server, ['activity:views_1h', 'homes:page'], { visitor: ['a'], customer_id: ['b'] }, { full_feature_names: true });
  assert.deepEqual(full.body.metadata.feature_names, ['customer_id', 'visitor', 'activity__views_1h', 'homes__page']);
  assert.equal((await server.json('/v1/features/activity')).definition, activity);
  assert.equal((await server.fetch('/v1/features/activiti')).status, 404);

  const broken = await projectWith({ 'features/activity.yaml': activity.replace('item_view', 'x').replace('price', 'prise'), 'features/homes.yaml': `${homes}colour: red\n` });
  const up = await run(['up', '--project', broken, '--listen', '127.0.0.1:0']);
  assert.equal(up.code, 1);
  assert.match(up.stderr, /activity\.yaml:8: item_interactions has no column prise to follow; did you mean price\?/);
  assert.match(up.stderr, /homes\.yaml:\d+: unknown key 'colour'/);
});

test('the examples of a shop and of a news site', async (t) => {
  for (const [example, set] of [['shop', 'next_purchase'], ['news', 'time_on_page']]) {
    const project = await projectWith({});
    for (const folder of ['features', 'training_sets']) cpSync(path.join(root, 'examples', example, folder), path.join(project, folder), { recursive: true });
    const server = await Server.start({ args: ['--project', project] });
    t.after(() => server.stop());
    await eventually('ready', async () => assert.equal((await server.fetch('/readyz')).status, 200));
    await server.post('/v1/batch', { batch: [
      track('Product Viewed', 'anna', { product_id: 'rake', category: 'Garden/Tools' }),
      { ...track('Order Completed', 'anna', { order_id: 'o1', total: 25, currency: 'CHF', products: [{ product_id: 'rake', price: 12.5, quantity: 2 }] }), userId: 'u1' },
    ] });
    await server.drained();
    const { views } = await server.json('/v1/features');
    assert.ok(views.length >= 2);
    for (const { online } of views) assert.equal(online.problem, undefined);
    const sets = await run(['training-set', 'build', set, '--data', server.data]);
    assert.equal(sets.code, 0, sets.stderr);
    const parity = await run(['features', 'parity', '--data', server.data]);
    assert.equal(parity.code, 0, parity.stdout + parity.stderr);
  }
});
