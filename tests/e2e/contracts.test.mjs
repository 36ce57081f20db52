// Data contracts from end to end (E13, E14): enforced where events come in, asked before anything is sent, and compared.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, run, Server, temporaryDir } from '../support/millrace.mjs';

const example = readFileSync(path.join(root, 'examples/shop/contracts/shop-events.yaml'), 'utf8');

async function projectWith(contracts) {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  mkdirSync(path.join(project, 'contracts'));
  for (const [name, text] of Object.entries(contracts)) writeFileSync(path.join(project, 'contracts', name), text);
  return project;
}

const purchase = (id, currency, more = {}) => ({
  type: 'purchase', message_id: id, user_id: 'u', order: { order_id: id, revenue: 5, currency },
  items: [{ item_id: 'rake', price: 5, quantity: 1 }], ...more,
});

/** The second version, in force from `time`: pounds are taken no more. */
const second = (time) =>
  example.replace('version: 1.0.0', 'version: 2.0.0').replace('[EUR, USD, GBP]', '[EUR, USD]')
    .replace('customProperties:\n', `customProperties:\n  - {property: effectiveDate, value: ${time}}\n`);

test('events that break a contract go to quarantine, the others go on, and news is reported', async (t) => {
  const project = await projectWith({ 'shop-events.yaml': example });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const sent = await server.post('/v1/events', [purchase('a', 'EUR', { properties: { gift: true, wrapping: 'red' } }), purchase('b', 'ZZZ')]);
  assert.deepEqual(await sent.json(), {
    success: true, accepted: 1, quarantined: 1,
    first_error: { code: 'invalid', message: "contract shop-events 1.0.0: must be one of EUR, USD, GBP, not 'ZZZ'", where: '[1].order.currency' },
  });
  await server.drained();
  assert.deepEqual(await server.sql("SELECT properties->>'wrapping' FROM events"), [['red']], 'what nobody announced is kept');
  const aside = await server.sql('SELECT code, where_, message, decode(raw) FROM quarantine');
  assert.deepEqual(aside[0].slice(0, 3), ['invalid', '[1].order.currency', "contract shop-events 1.0.0: must be one of EUR, USD, GBP, not 'ZZZ'"]);
  assert.deepEqual(JSON.parse(aside[0][3]), purchase('b', 'ZZZ'), 'its bytes are kept');

  const told = await server.json('/v1/contracts');
  assert.equal(told.contracts[0].holds, true);
  const object = told.contracts[0].objects.find(({ name }) => name === 'purchase');
  assert.deepEqual([object.checked, object.refused], [2, 1]);
  assert.deepEqual(told.unannounced.map(({ property, events }) => [property, events]), [['wrapping', 1]]);
  const metrics = await (await server.fetch('/metrics')).text();
  assert.match(metrics, /millrace_contract_refused_total\{contract="shop-events",object="purchase"\} 1/);
  assert.match(metrics, /millrace_contract_unannounced_total\{contract="shop-events"\} 1/);

  // Files are held to it too, each row by itself.
  const file = path.join(project, 'more.jsonl');
  writeFileSync(file, [purchase('c', 'USD'), purchase('d', 'YYY')].map((event) => JSON.stringify(event)).join('\n'));
  const loaded = await run(['ingest', 'native', file, '--data', server.data]);
  assert.match(loaded.stdout + loaded.stderr, /quarantine/);
  await server.drained();
  assert.deepEqual(await server.sql('SELECT count(*) FROM quarantine'), [[2]]);

  // From quarantine it comes back only when it fits.
  const as = await run(['quarantine', 'replay', '--all', '--source', 'web', '--data', server.data]);
  assert.match(as.stdout, /must be one of EUR, USD, GBP/);
  const mended = await run(['quarantine', 'replay', '--all', '--source', 'web', '--mend', `replace(attributes->>'raw', 'ZZZ', 'EUR')`, '--data', server.data]);
  assert.match(mended.stdout, /1 record taken in/);
});

test('a producer asks before it sends; nothing of it is kept', async (t) => {
  const project = await projectWith({ 'shop-events.yaml': example });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const answer = await (await server.post('/v1/validate', [purchase('a', 'EUR', { properties: { size: 4 } }), purchase('b', 'ZZZ')])).json();
  assert.deepEqual([answer.valid, answer.events, answer.checked, answer.refused], [false, 1, 2, 1]);
  assert.deepEqual(answer.problems[0].where, '[1].order.currency');
  assert.equal(answer.unannounced[0].property, 'size');
  const segment = { batch: [{ type: 'track', event: 'Order Completed', userId: 'u', properties: { order_id: 'o', revenue: -1, products: [{ product_id: 'a' }] } }] };
  const other = await (await server.post('/v1/validate?codec=segment', segment)).json();
  assert.match(other.problems[0].message, /must be at least 0/);
  assert.equal((await server.post('/v1/validate?codec=nothing', [])).status, 400);
  const broken = await (await server.post('/v1/validate', '{')).json();
  assert.equal(broken.valid, false);
  const books = await server.json('/v1/contracts');
  assert.equal(books.contracts[0].objects[1].checked, 0);
});

test('a version that is announced takes over at its time', async (t) => {
  const soon = new Date(Date.now() + 3_600_000).toISOString();
  const project = await projectWith({ 'shop-events.yaml': example, 'shop-events-2.yaml': second(soon) });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const at = (hours) => new Date(Date.now() + hours * 3_600_000).toISOString();
  const sent = await (await server.post('/v1/events', [
    purchase('a', 'GBP', { event_time: at(0) }), purchase('b', 'GBP', { event_time: at(2) }), purchase('c', 'EUR', { event_time: at(2) }),
  ])).json();
  assert.deepEqual([sent.accepted, sent.quarantined], [2, 1]);
  assert.match(sent.first_error.message, /contract shop-events 2\.0\.0/);
  // What was right when it happened stays right: a replay of the log takes all that was accepted.
  await server.drained();
  const list = await run(['contract', 'list', '--project', project]);
  assert.match(list.stdout, /shop-events 1\.0\.0 +holds/);
  assert.match(list.stdout, /shop-events 2\.0\.0 +active, from/);
});

test('contracts that contradict themselves are refused, by the command and at the start', async () => {
  const broken = example.replace('minimum: 0, maximum: 1000000', 'minimum: 10, maximum: 1');
  const project = await projectWith({ 'shop-events.yaml': broken });
  const checked = await run(['contract', 'check', '--project', project]);
  assert.equal(checked.code, 1);
  assert.match(checked.stderr, /shop-events\.yaml:\d+: contradicts itself: minimum 10 is above maximum 1, so no value of 'revenue' can fit/);
  const up = await run(['up', '--project', project, '--data', path.join(project, 'data'), '--listen', '127.0.0.1:0']);
  assert.equal(up.code, 1);
  assert.match(up.stderr, /contradicts itself/);
});

test('the command checks, compares and lists', async () => {
  const project = await projectWith({ 'a.yaml': example, 'b.yaml': second('2030-01-01') });
  const file = (name) => path.join(project, 'contracts', name);
  const sound = await run(['contract', 'check', file('a.yaml'), file('b.yaml')]);
  assert.equal(sound.code, 0, sound.stderr);
  assert.match(sound.stdout, /shop-events 2\.0\.0 \(active, from 2030-01-01T00:00:00Z\), 2 objects/);
  const diff = await run(['contract', 'diff', file('a.yaml'), file('b.yaml')]);
  assert.equal(diff.code, 1);
  assert.match(diff.stdout, /BREAKING +purchase\.order\.currency: the value 'GBP' is removed: producers that send it are refused/);
  const back = await run(['contract', 'diff', file('b.yaml'), file('a.yaml'), '--json']);
  assert.equal(back.code, 0);
  assert.equal(JSON.parse(back.stdout).breaking, false);
  const types = await run(['contract', 'types', file('a.yaml'), '--format', 'typescript']);
  assert.match(types.stdout, /export interface Purchase \{\n {2}type: "purchase";/);
  const schema = JSON.parse((await run(['contract', 'types', file('a.yaml')])).stdout);
  assert.deepEqual(Object.keys(schema.$defs), ['item_view', 'purchase']);
  const data = path.join(project, 'out.jsonl');
  writeFileSync(data, `${JSON.stringify(purchase('a', 'EUR'))}\n${JSON.stringify(purchase('b', 'ZZZ'))}\nnonsense\n`);
  const events = await run(['contract', 'check', data, '--project', project]);
  assert.equal(events.code, 1);
  assert.match(events.stdout, /out\.jsonl:2: order\.currency: contract shop-events 1\.0\.0: must be one of/);
  assert.match(events.stdout, /out\.jsonl:3: /);
  assert.match(events.stdout, /1 event would be taken in/);
});

test('rules of tables are counted, kept, and keep back what a transform made', async (t) => {
  const project = await projectWith({
    'tables.yaml': `apiVersion: v3.1.0
kind: DataContract
id: tables
version: 1.0.0
status: active
schema:
  - name: sales
    physicalType: table
    physicalName: analytics.sales
    properties:
      - {name: order_id, logicalType: string, required: true, unique: true}
      - {name: revenue, logicalType: number, logicalTypeOptions: {maximum: 100}}
    quality:
      - {id: any, metric: rowCount, mustBeGreaterThan: 0, severity: warn}
`,
  });
  mkdirSync(path.join(project, 'transforms'));
  writeFileSync(path.join(project, 'transforms', 'sales.sql'), "SELECT order_id, sum(amount) AS revenue FROM source('order_lines') GROUP BY order_id\n");
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const run1 = (...args) => run([...args, '--data', server.data]);
  await server.post('/v1/events', [purchase('a', 'EUR')]);
  await server.drained();
  const made = await run1('run', 'transforms');
  assert.equal(made.code, 0, made.stderr + made.stdout);
  await server.post('/v1/events', [{ ...purchase('b', 'EUR'), items: [{ item_id: 'rake', price: 500, quantity: 1 }] }]);
  await server.drained();
  const stopped = await run1('run', 'transforms', '--full');
  assert.notEqual(stopped.code, 0);
  assert.match(stopped.stdout + stopped.stderr, /breaks a contract: range:revenue of tables 1\.0\.0: 1 of 2 rows; must be 0: nothing was changed/);
  assert.deepEqual(await server.sql('SELECT order_id FROM analytics.sales'), [['a']], 'unpublished');
  const kept = await server.sql("SELECT trigger, passed, samples->0->>'order_id' FROM contract_results WHERE rule = 'range:revenue' ORDER BY check_time");
  assert.deepEqual(kept, [['transform', true, null], ['transform', false, 'b']]);
  const now = await run1('contract', 'check-tables');
  assert.equal(now.code, 0, now.stderr);
  assert.match(now.stdout, /passed +analytics\.sales: any of tables 1\.0\.0: 1; must be greater than 0/);
  assert.deepEqual(await server.sql("SELECT trigger, passed FROM contract_results_latest WHERE rule = 'range:revenue'"), [['check', true]]);
  const unknown = await run1('contract', 'check-tables', 'nothing');
  assert.match(unknown.stderr, /no contract that holds now speaks of a table 'nothing'/);
});

test('owners downstream hear of what is announced, and a source that breaks is stopped alone', async (t) => {
  const strict = example.replace('customProperties:\n', 'customProperties:\n  - {property: stopAfter, value: 2}\n');
  const project = await projectWith({ 'shop-events.yaml': strict, 'shop-events-2.yaml': second('2030-01-01') });
  writeFileSync(path.join(project, 'millrace.yaml'), 'collect: {write_keys: {app: key-a, site: key-s}}\n');
  const data = await temporaryDir();
  let server = await Server.start({ data, args: ['--project', project] });
  t.after(() => server.stop());
  const as = (key) => ({ authorization: `Basic ${Buffer.from(`${key}:`).toString('base64')}` });
  const text = { kind: 'outage', text: 'the site is down', until: new Date(Date.now() + 3_600_000).toISOString() };
  const made = await (await server.post('/v1/sources/site/notices', text)).json();
  assert.deepEqual(made.owners.map(({ name }) => name), ['analytics@example.com', 'recommendations@example.com', 'web-team@example.com']);
  assert.equal((await server.post('/v1/sources/site/notices', { kind: 'party', text: 'x' })).status, 400);
  assert.equal((await server.post('/v1/topics/source_notices/messages', 'forged', as('key-s'))).status, 403);
  const listed = (await server.json('/v1/sources/site/notices')).notices;
  assert.deepEqual(listed.map(({ kind, phase }) => [kind, phase]).sort(), [['change', 'announced'], ['outage', 'effective']]);
  assert.match(JSON.stringify(listed.find(({ kind }) => kind === 'change').breaks), /the value 'GBP' is removed/);

  const send = async (key, event) => (await server.post('/v1/events', event, as(key))).json();
  for (const id of ['a', 'b']) await send('key-a', { ...purchase(id, 'EUR'), order: { order_id: '', revenue: 5 } });
  assert.match((await send('key-a', purchase('c', 'EUR'))).first_error.message, /the source 'app' is stopped: 2 events in a row lack order\.order_id/);
  assert.equal((await send('key-s', purchase('d', 'EUR'))).accepted, 1, 'others go on');
  await server.stop();
  server = await Server.start({ data, args: ['--project', project] });
  assert.equal((await send('key-a', purchase('e', 'EUR'))).quarantined, 1, 'a stop outlasts a restart');
  const faults = (await server.json('/v1/sources/app/notices')).notices.filter(({ kind }) => kind === 'fault');
  assert.deepEqual(faults.map(({ stopped, property }) => [stopped, property]), [[true, 'order.order_id']]);
  assert.deepEqual(await (await server.post('/v1/sources/app/resume', '')).json(), { resumed: 1 });
  assert.equal((await send('key-a', purchase('f', 'EUR'))).accepted, 1);
  await server.drained();
  const replayed = await run(['quarantine', 'replay', '--all', '--source', 'app', '--data', data]);
  assert.match(replayed.stdout, /2 records taken in, 2 stay/);
});
