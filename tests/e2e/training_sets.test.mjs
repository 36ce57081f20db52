// Training sets from end to end (E2, N2): declared in a project, made over HTTP, told of by the command line.
import assert from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { csvRows } from '../support/csv.mjs';
import { root, run, Server, sharedData, temporaryDir } from '../support/millrace.mjs';

async function projectWith(files) {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  mkdirSync(path.join(project, 'training_sets'));
  for (const [name, text] of Object.entries(files)) writeFileSync(path.join(project, 'training_sets', name), text);
  return project;
}

const view = (n, event, product, time) => ({
  type: 'track', event, messageId: `m${n}`, anonymousId: 'anna', timestamp: time, properties: { product_id: product },
});

test('a set is made, versioned, and told of', async (t) => {
  const set = `labels: {from: "SELECT visitor, item_id, event_time FROM item_interactions WHERE type = 'add_to_cart'", key: [visitor, item_id], time: event_time}
features:
  seen: {from: "SELECT visitor, item_id, event_time, 1 AS one FROM item_interactions WHERE type = 'item_view'", on: [visitor, item_id], time: event_time, columns: {seen_before: one}}
`;
  const project = await projectWith({ 'carts.yaml': set });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const at = (minute) => new Date(Date.now() - (60 - minute) * 60_000).toISOString();
  const batch = [view(1, 'Product Viewed', 'rake', at(1)), view(2, 'Product Added', 'rake', at(2)), view(3, 'Product Added', 'pot', at(3)), view(4, 'Product Viewed', 'pot', at(4))];
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
  await server.drained();
  const made = await run(['training-set', 'build', 'carts', '--data', server.data, '--json']);
  assert.equal(made.code, 0, made.stderr);
  const [manifest] = JSON.parse(made.stdout).training_sets;
  assert.equal(manifest.rows, 2);
  assert.deepEqual(manifest.columns.map(({ name }) => name), ['visitor', 'item_id', 'event_time', 'seen_before']);
  assert.ok(existsSync(path.join(server.data, 'lake', manifest.path, manifest.files[0])));
  const again = await run(['training-set', 'build', '--data', server.data]);
  assert.match(again.stdout, new RegExp(`carts@${manifest.version}: 2 rows in 1 file`));
  const list = await server.json('/v1/training-sets');
  assert.equal(list.training_sets[0].version, manifest.version);
  assert.equal((await server.json('/v1/training-sets/carts')).version, manifest.version);

  // The files are read anew each time: a mistake names its line, and nothing that was made goes.
  writeFileSync(path.join(project, 'training_sets', 'carts.yaml'), `${set}colour: red\n`);
  const refused = await run(['training-set', 'build', 'carts', '--data', server.data]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /carts\.yaml:\d+: unknown key 'colour'/);
  const after = await server.json('/v1/training-sets');
  assert.deepEqual(after.training_sets.map(({ name }) => name), ['carts']);
  assert.match(after.training_sets[0].problem, /carts\.yaml:\d+: unknown key 'colour'/);
  writeFileSync(path.join(project, 'training_sets', 'others.yaml'), set);
  const others = await run(['training-set', 'build', '--data', server.data]);
  assert.match(others.stdout, /others@\w+: 2 rows/, 'a broken file keeps nobody from the others');
  assert.equal(others.code, 1);
  assert.match(others.stderr, /unknown key 'colour'/);
  writeFileSync(path.join(project, 'training_sets', 'worse.yaml'), `${set}size: 3\n`);
  const both = await run(['training-set', 'build', '--data', server.data]);
  assert.match(both.stderr, /unknown key 'colour'[^]*unknown key 'size'/, 'each mistake is told');
  const unknown = await run(['training-set', 'build', 'cart', '--data', server.data]);
  assert.match(unknown.stderr, /colour|did you mean carts/);
});

test('news: time on page is the gap to the next page of the visit (N2)',
  { skip: sharedData('news/clicks_hour_000.csv.gz') ? false : 'no shared data: news clicks are not on this machine' },
  async (t) => {
    const project = await temporaryDir();
    cpSync(path.join(root, 'examples/news'), project, { recursive: true });
    writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
    const file = sharedData('news/clicks_hour_000.csv.gz');
    const visits = new Map();
    let order = 0;
    for await (const [user, session, , , article, ms] of csvRows(file)) {
      const key = `${user} ${session}`;
      visits.set(key, [...(visits.get(key) ?? []), { user, article, ms: Number(ms), order: order++ }]);
    }
    const expected = [];
    for (const clicks of visits.values()) {
      clicks.sort((a, b) => a.ms - b.ms || a.order - b.order);
      for (let i = 0; i + 1 < clicks.length; i++) expected.push(`${clicks[i].user},${clicks[i].article},${clicks[i + 1].ms - clicks[i].ms}`);
    }
    const server = await Server.start({ args: ['--project', project] });
    t.after(() => server.stop());
    const loaded = await run(['ingest', 'csv', '--map', 'examples/news/mappings/news_clicks.yaml', file, '--data', server.data], { timeoutMs: 120_000 });
    assert.equal(loaded.code, 0, loaded.stderr);
    await server.drained(60_000);
    const made = await run(['training-set', 'build', 'time_on_page', '--data', server.data, '--json'], { timeoutMs: 120_000 });
    assert.equal(made.code, 0, made.stderr);
    const [manifest] = JSON.parse(made.stdout).training_sets;
    assert.equal(manifest.rows + manifest.repeats_left_out, expected.length);
    assert.ok(expected.length > 1000, `${expected.length}`);
    // The same rows, by the labels' own SELECT: every (client, article, gap) with its number.
    const definition = readFileSync(path.join(project, 'training_sets/time_on_page.yaml'), 'utf8');
    assert.equal(manifest.definition, definition);
    const select = definition.match(/from: \|\n([\s\S]*?)\n {2}key:/)[1];
    const rows = await server.sql(`SELECT count(*), sum("timeOnPage")::BIGINT FROM (${select})`);
    const sum = expected.reduce((total, line) => total + Number(line.split(',')[2]), 0);
    assert.deepEqual(rows.map((row) => row.map(Number)), [[expected.length, sum]]);
  });
