// ctest: timeout 240
// A shop whose people change their tastes, beside one whose people do not: the first is told of and trained again by
// itself, the second is let be. And a model that is trained by time.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, eventually, run, temporaryDir } from '../support/millrace.mjs';

const people = 90;
let project, data, server;

const write = (name, text) => writeFileSync(path.join(project, 'models', `${name}.yaml`), text);
const of = (shop) => `kind: item_knn\ninteractions:\n  from: SELECT * FROM item_interactions WHERE visitor LIKE '${shop}%'\n`;

before(async () => {
  project = await temporaryDir();
  mkdirSync(path.join(project, 'models'));
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  write('steady', `${of('steady')}retrain: {on_drift: true, at_most_every: 2s, check_every: 1s}\n`);
  write('flips', `${of('flips')}retrain: {on_drift: {worse: 0.02}, at_most_every: 2s, check_every: 1s}\n`);
  write('watched', of('flips'));
  write('broken', 'kind: item_knn\ninteractions: {from: SELECT nothing FROM nowhere}\nretrain: {every: 1d}\n');
  data = await temporaryDir();
  server = await Server.start({ args: ['--project', project], data });
});

after(async () => {
  await server?.stop();
  for (const dir of [project, data]) await rm(dir, { recursive: true, force: true });
});

const millrace = (...args) => run([...args, '--data', server.data]);
const drift = async (name) => (await server.json(`/v1/models/${name}/drift`)).last;
const metric = async (name, labels) => {
  const text = await (await server.fetch('/metrics')).text();
  return Number(text.split('\n').find((line) => line.startsWith(`${name}{`) && labels.every((label) => line.includes(label)))?.split(' ').at(-1));
};

let drawn = 1;
const draw = (below) => {
  drawn = (Math.imul(drawn, 1664525) + 1013904223) >>> 0;
  return Math.floor((drawn / 2 ** 32) * below);
};

/** Everyone looks at `steps` things of their taste, of thirty; `turn` is by how much tastes have changed. */
async function visit(shop, firstDay, steps, turn) {
  const batch = [];
  for (let step = 0; step < steps; step++)
    for (let person = 0; person < people; person++)
      batch.push({
        type: 'track', event: 'Product Viewed', anonymousId: `${shop}${person}`, messageId: `${shop}-${firstDay}-${person}-${step}`,
        timestamp: new Date(Date.UTC(2026, 0, firstDay, step, 0, person)).toISOString(),
        properties: { product_id: `i${((person + turn) % 3) * 30 + draw(30)}` },
      });
  for (let at = 0; at < batch.length; at += 200) await server.post('/v1/batch', { batch: batch.slice(at, at + 200) });
}

test('of what has not come nothing is said', async () => {
  for (const shop of ['steady', 'flips']) await visit(shop, 1, 12, 0);
  await server.drained();
  assert.match((await millrace('model', 'drift', 'steady')).stderr, /no version of steady is deployed: millrace train steady/);
  for (const name of ['steady', 'flips', 'watched']) {
    const trained = await millrace('train', name, '--json');
    assert.equal(trained.code, 0, trained.stderr);
    assert.equal(JSON.parse(trained.stdout).manifest.trained_because, 'asked');
  }
  const little = await millrace('model', 'drift', 'watched');
  assert.equal(little.code, 0, little.stderr);
  assert.match(little.stdout, /^watched@1: too little to say: 0 rows by 0 people since/);
  await eventually('looked at by itself', async () => assert.equal((await drift('steady')).verdict, 'too_little'));
});

test('tastes that flip are told of, and the model is trained again by itself', async () => {
  await visit('flips', 10, 12, 1);
  await visit('steady', 10, 12, 0);
  await server.drained();

  const found = await millrace('model', 'drift', 'watched');
  assert.equal(found.code, 3, found.stdout + found.stderr);
  assert.match(found.stdout, /^watched@1: worse than (popularity|when it was made): ndcg 0\.\d+/);
  assert.match(found.stdout, /1,080 rows by 90 people since 2026-01-01T11:01:29Z, against 1,080 before/);
  const json = JSON.parse((await millrace('model', 'drift', 'watched', '--json')).stdout);
  assert.equal(json.drifted, true);
  assert.ok(json.performance.change.high < -0.02, JSON.stringify(json.performance));
  assert.equal(json.inputs.find(({ name }) => name === 'item').state, 'stable', 'the same things are looked at, by others');
  assert.ok((await metric('millrace_model_drift', ['model="watched"'])) >= 2);

  const model = await eventually('trained again and deployed', async () => {
    const now = await server.json('/v1/models/flips');
    const served = now.versions.find(({ deployed }) => deployed);
    assert.match(served.trained_because, /^drift: worse than /);
    return now;
  });
  assert.equal(model.history[0].by, 'drift');
  assert.ok((await metric('millrace_model_trainings_total', ['model="flips"', 'outcome="deployed"'])) >= 2);
  assert.equal((await server.json('/v1/models/watched')).versions.length, 1, 'whose file does not ask for it is not trained');
});

test('who stays the same is let be', async () => {
  const last = await eventually('looked at since', async () => {
    const found = await drift('steady');
    assert.equal(found.rows_since, 1080);
    return found;
  });
  assert.equal(last.verdict, 'fine', last.text);
  assert.ok(last.performance.gain.low > 0);
  const asked = await millrace('model', 'drift', 'steady');
  assert.equal(asked.code, 0, asked.stdout);
  assert.match(asked.stdout, /^steady@1: fine/);
  const { versions } = await server.json('/v1/models/steady');
  assert.equal(versions.length, 1, 'nothing was trained');
  assert.ok((await metric('millrace_model_age_seconds', ['model="steady"'])) > 0);
  assert.equal(await metric('millrace_model_drift', ['model="steady"']), 0);
});

test('a model is trained by time, also over a restart, and one that cannot be is logged', async () => {
  write('timed', `${of('steady')}retrain: {every: 1s}\n`);
  await eventually('trained thrice', async () => {
    const { versions } = await server.json('/v1/models/timed');
    assert.ok(versions.length >= 3);
    for (const version of versions) assert.equal(version.trained_because, 'every 1s');
  });
  write('timed', `${of('steady')}retrain: {every: 1d}\n`);
  await new Promise((r) => setTimeout(r, 1500));
  const before = (await server.json('/v1/models/timed')).versions.length;
  await server.stop();
  server = await Server.start({ args: ['--project', project], data });
  const logged = await eventually('the broken one was tried', async () => {
    const lines = (await millrace('logs', '--grep', 'could not be trained again')).stdout;
    assert.match(lines, /broken/);
    return lines;
  });
  assert.match(logged, /millrace train NAME/);
  await new Promise((r) => setTimeout(r, 1500));
  assert.equal((await server.json('/v1/models/timed')).versions.length, before, 'it is not a day old');
  const { retrain, last } = await server.json('/v1/models/timed/drift');
  assert.equal(retrain.words, 'every 1d');
  assert.equal(last, null);
});

test('mistakes are told with what to do', async () => {
  assert.match((await millrace('model', 'drift', 'stedy')).stderr, /no models\/stedy\.yaml; did you mean steady\?/);
  assert.equal((await server.fetch('/v1/models/nothing/drift')).status, 404);
  assert.equal((await server.post('/v1/models/steady/drift', '')).status, 401, 'only who may train may have it looked at');
  write('steady', `${of('steady')}retrain: {on_drift: {wrose: 1}}\n`);
  assert.match((await millrace('model', 'drift', 'steady')).stderr, /steady\.yaml:\d+/);
  assert.match(readFileSync(path.join(project, 'models/steady.yaml'), 'utf8'), /wrose/);
});
