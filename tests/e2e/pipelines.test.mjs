// ctest: timeout 240
// How recommendations are made, as the shop's people say it: a trained model takes part at once, a file says otherwise and is read
// again when it changes, a ranker learns from what was chosen, and answers never fail while models are swapped.
import assert from 'node:assert/strict';
import { rmSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, eventually, run, temporaryDir } from '../support/millrace.mjs';

let project, server;
const file = () => path.join(project, 'models/shop.yaml');

/** Somebody looks at an item, perhaps out of an answer. */
const view = (person, item, at, recommendation) => ({
  type: 'track', event: 'Product Viewed', anonymousId: person, messageId: `${person}-${item}-${at}-${recommendation ?? ''}`,
  timestamp: new Date(at).toISOString(), properties: { product_id: item, ...(recommendation && { recommendation_id: recommendation }) },
});
const send = async (events) => {
  for (let at = 0; at < events.length; at += 100) await server.post('/v1/batch', { batch: events.slice(at, at + 100) });
};

before(async () => {
  project = await temporaryDir();
  mkdirSync(path.join(project, 'models'));
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  writeFileSync(path.join(project, 'models/factors.yaml'), 'kind: als\nsettings: {factors: 8}\nevaluate: {n: 5}\n');
  server = await Server.start({ args: ['--project', project] });
  const items = Array.from({ length: 30 }, (_, i) => ({ id: `i${i}`, name: `Item ${i}`, category: i % 2 ? 'Odd' : 'Even', price: i + 1, stock: i === 4 ? 0 : 5 }));
  const put = await server.fetch('/v1/items', { method: 'PUT', body: JSON.stringify(items), headers: { 'content-type': 'application/json' } });
  assert.equal(put.status, 200);
  // Ninety people of three tastes look at eight of ten items each; those from 0 on are the most popular.
  const views = [];
  for (let person = 0; person < 90; person++)
    for (let step = 0; step < 8; step++)
      views.push(view(`p${person}`, `i${(person % 3) * 10 + ((person * 7 + step * (1 + (person % 9))) % 10)}`, Date.UTC(2026, 0, 1, step, 0, person)));
  await send(views);
  await server.drained();
});

after(async () => {
  await server?.stop();
  await rm(project, { recursive: true, force: true });
});

const millrace = (...args) => run([...args, '--data', server.data]);
const getJson = async (route) => (await server.fetch(route)).json();
const recommended = (query) => getJson(`/v1/recommendations?${query}`);
const pipelineOf = async (placement) => (await getJson('/v1/pipelines')).placements[placement];

test('a model that is deployed takes part in answers without a word', async () => {
  assert.equal((await pipelineOf('home')).model, 'foundation@1');
  const trained = await millrace('train', 'factors');
  assert.equal(trained.code, 0, trained.stderr);
  await eventually('it takes effect', async () => assert.ok((await pipelineOf('home')).sources.some((s) => s.model === 'factors@1')));
  const answer = await recommended('items=i11,i12&n=5&explain=1');
  assert.equal(answer.fallback, null);
  assert.ok(answer.items.some((item) => item.source === 'factors'), JSON.stringify(answer.items));
  for (const { id } of answer.items) assert.equal(Math.floor(Number(id.slice(1)) / 10), 1, `${id} is of the same taste`);
  assert.deepEqual(answer.explanation.models, ['factors@1']);
  assert.ok('model:factors' in answer.explanation.stages_us);
});

test('a file says how, and is read again when it changes', async () => {
  writeFileSync(file(), `kind: pipeline
sources: {factors: 2, co_seen: 0}
rules:
  filter: "category:Odd"
  promotions: {cheap: {filter: "price<=4,category:Odd", share: 0.2, text: Cheap this week}}
`);
  await eventually('it takes effect', async () => assert.match((await pipelineOf('home')).model, /^shop@/));
  const answer = await recommended('items=i11,i13&n=5');
  assert.match(answer.model, /^shop@[0-9a-f]{8}$/);
  assert.equal(answer.items.length, 5);
  for (const { id } of answer.items) assert.equal(Number(id.slice(1)) % 2, 1, `${id} passes the filter`);
  await eventually('the promotion has its place', async () => {
    const { items } = await recommended('items=i11,i13&n=3');
    const cheap = items.filter((item) => ['i1', 'i3'].includes(item.id));
    assert.deepEqual(cheap.map((item) => item.reason.text), ['Cheap this week']);
  });
  const shown = await millrace('pipeline', 'show');
  assert.match(shown.stdout, /home +shop@[0-9a-f]+, by weights, within 50 ms[\s\S]*factors +2 +\d+ vectors, all compared/);
});

test('a file with a mistake changes nothing, and is told', async () => {
  const before = (await pipelineOf('home')).model;
  writeFileSync(file(), 'kind: pipeline\nrules: {filter: "price<"}\n');
  await eventually('it takes effect', async () => assert.equal((await getJson('/v1/pipelines')).problems.length, 1));
  const { problems } = await getJson('/v1/pipelines');
  assert.match(problems[0].why, /shop\.yaml:2.*price</);
  assert.equal((await pipelineOf('home')).model, before);
  assert.match((await millrace('pipeline', 'show')).stdout, /problem with models: .*shop\.yaml:2/);
  rmSync(file());
  await eventually('it takes effect', async () => assert.match((await pipelineOf('home')).model, /^foundation@/));
  assert.deepEqual((await getJson('/v1/pipelines')).problems, []);
});

test('one pipeline for a placement: others go on as ever; a model that is not deployed is left out', async () => {
  writeFileSync(file(), 'kind: pipeline\nplacements: [cart]\nsources: {factors: 1, nobody: 1}\n');
  await eventually('it takes effect', async () => assert.match((await pipelineOf('cart')).model, /^shop@/));
  assert.match((await pipelineOf('home')).model, /^foundation@/);
  const answer = await recommended('items=i11,i13&n=5&placement=cart');
  assert.equal(answer.fallback, 'partial');
  assert.equal(answer.fallback_reason, 'nobody: no version is deployed');
  assert.equal(answer.items.length, 5);
});

test('no answer fails while a model is trained, swapped and rolled back', async () => {
  writeFileSync(file(), 'kind: pipeline\nsources: {factors: 1}\n');
  await eventually('it takes effect', async () => assert.match((await pipelineOf('home')).model, /^shop@/));
  const models = new Set();
  let asking = true, answers = 0;
  const asked = (async () => {
    while (asking) {
      const answer = await recommended(`user=p${answers++ % 90}&n=5&explain=1`);
      assert.equal(answer.fallback, null, answer.fallback_reason);
      assert.equal(answer.items.length, 5);
      models.add(answer.explanation.models[0]);
    }
  })();
  assert.equal((await millrace('train', 'factors', '--deploy', 'always')).code, 0);
  await eventually('it takes effect', () => assert.ok(models.has('factors@2')));
  assert.equal((await millrace('model', 'rollback', 'factors')).code, 0);
  models.delete('factors@1');
  await eventually('it takes effect', () => assert.ok(models.has('factors@1')));
  asking = false;
  await asked;
  assert.ok(answers > 10);
});

test('a ranker learns what people choose, is used, and can be taken out again', async () => {
  const early = await millrace('pipeline', 'train', 'shop');
  assert.equal(early.code, 1);
  assert.match(early.stderr, /200 are needed/);
  // People choose the cheapest of what they are shown, wherever it stands.
  const chosen = [];
  for (let n = 0; n < 260; n++) {
    const answer = await recommended(`items=i${n % 30}&n=8`);
    const cheapest = answer.items.map((item) => Number(item.id.slice(1))).reduce((a, b) => Math.min(a, b));
    chosen.push(view(`chooser${n}`, `i${cheapest}`, Date.now(), answer.recommendation_id));
  }
  await eventually('it takes effect', async () => {
    const [[kept]] = await server.sql('SELECT count(DISTINCT recommendation_id) FROM recommendations WHERE features IS NOT NULL');
    assert.ok(Number(kept) >= 260);
  });
  await send(chosen);
  await server.drained();
  const trained = await millrace('pipeline', 'train', 'shop', '--use', 'always');
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stdout, /ranker 1 of shop, of 26\d answers[\s\S]*price_fit[\s\S]*it is in use now/);
  await eventually('it takes effect', async () => assert.equal((await pipelineOf('home')).ranker, '1'));
  const answer = await recommended('items=i15&n=5&explain=1');
  for (const { score, features } of answer.items) {
    assert.ok(score > 0 && score < 1, 'a chance');
    assert.ok('price_fit' in features);
  }
  const { data } = server;
  server.ownsData = false;
  await server.stop();
  server = await Server.start({ data, args: ['--project', project] });
  server.ownsData = true;
  await eventually('it takes effect', async () => assert.equal((await pipelineOf('home')).ranker, '1', 'it is kept'));
  assert.match((await millrace('pipeline', 'fixed', 'shop')).stdout, /goes by its weights/);
  await eventually('it takes effect', async () => assert.equal((await pipelineOf('home')).ranker, null));
  assert.equal((await millrace('pipeline', 'train', 'shp')).code, 1);
  assert.match((await millrace('pipeline', 'train', 'shp')).stderr, /did you mean shop\?/);
});

test('odd requests get a clear error or a sensible answer', async () => {
  for (const [query, what] of [['n=0', /n/], ['n=-1', /n/], ['n=1000000000', /n/], ['budget_ms=0', /budget_ms/], ['filter=price<', /filter/], ['cursor=x', /cursor/]]) {
    const response = await server.fetch(`/v1/recommendations?${query}`);
    assert.equal(response.status, 400, query);
    assert.match((await response.json()).message ?? '', /./);
    assert.match(JSON.stringify(await (await server.fetch(`/v1/recommendations?${query}`)).json()), what);
  }
  const none = await recommended('filter=category:Nowhere');
  assert.deepEqual(none.items, []);
  assert.equal((await recommended('user=nobody&items=nothing')).fallback, 'cold');
  const many = Array.from({ length: 10_000 }, (_, i) => `i${i}`);
  const ask = async (body) => (await server.post('/v1/recommendations', body)).json();
  assert.deepEqual((await ask({ exclude: many })).items, []);
  assert.equal((await ask({ exclude: many.slice(3) })).items.length, 3);
  assert.deepEqual((await ask({ items: many })).items, [], 'a session that met everything');
  assert.equal((await ask({ user: 'p1', n: 4, explain: true })).items.length, 4);
  for (const [body, what] of [[{ n: 0 }, /n/], [{ n: 1e9 }, /n/], [{ exclude: [...many, 'one more'] }, /10000/], [{ items: [1] }, /ids/], [{ itms: [] }, /known are/], ['[', /send/], [{ filter: 'x' }, /filter/]]) {
    const response = await server.post('/v1/recommendations', body);
    assert.equal(response.status, 400, JSON.stringify(body).slice(0, 100));
    assert.match(await response.text(), what);
  }
  assert.equal((await recommended('user=p1&budget_ms=1&n=3')).items.length, 3);
});
