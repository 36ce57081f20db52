// ctest: timeout 240
// Models as their user has them: declared in a file, trained on the tables, judged, deployed, swapped, rolled back; and what
// happens when a version is damaged, or the server killed while it trains.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, binary, eventually, root, run, temporaryDir } from '../support/millrace.mjs';

let project, server;

before(async () => {
  project = await temporaryDir();
  mkdirSync(path.join(project, 'models'));
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  writeFileSync(path.join(project, 'models/near.yaml'), 'kind: item_knn\ndescription: What goes together\nevaluate: {n: 5}\n');
  writeFileSync(path.join(project, 'models/factors.yaml'), 'kind: als\nsettings: {factors: 4}\nsearch: {factors: [2, 8]}\nevaluate: {n: 5}\n');
  writeFileSync(path.join(project, 'models/broken.yaml'), 'kind: als\ninteractions: {from: SELECT nothing FROM nowhere}\n');
  server = await Server.start({ args: ['--project', project] });
  // Ninety people of three tastes look at eight of ten items each.
  const batch = [];
  for (let person = 0; person < 90; person++)
    for (let step = 0; step < 8; step++)
      batch.push({
        type: 'track', event: 'Product Viewed', anonymousId: `p${person}`, messageId: `${person}-${step}`,
        timestamp: new Date(Date.UTC(2026, 0, 1, step, 0, person)).toISOString(),
        properties: { product_id: `i${(person % 3) * 10 + ((person * 7 + step * (1 + (person % 9))) % 10)}` },
      });
  for (let at = 0; at < batch.length; at += 100) await server.post('/v1/batch', JSON.stringify({ batch: batch.slice(at, at + 100) }));
  await server.drained();
});

after(async () => {
  await server?.stop();
  await rm(project, { recursive: true, force: true });
});

const millrace = (...args) => run([...args, '--data', server.data]);
const getJson = async (route) => (await server.fetch(route)).json();
const recommended = (name, items) => getJson(`/v1/models/${name}/recommendations?items=${items}&n=5`);

test('a model is trained, judged, deployed and asked', async () => {
  const trained = await millrace('train', 'near');
  assert.equal(trained.code, 0, trained.stderr);
  assert.match(trained.stdout, /near@1: 720 interactions of 90 people with 30 items; NDCG 0\.\d+/);
  assert.match(trained.stdout, /deployed, as the first/);
  const answer = await recommended('near', 'i1,i2');
  assert.equal(answer.model, 'near@1');
  assert.equal(answer.items.length, 5);
  for (const { id } of answer.items) {
    assert.ok(Number(id.slice(1)) < 10, `${id} is of the same taste`);
    assert.ok(!['i1', 'i2'].includes(id), 'nothing that was met');
  }
  assert.deepEqual((await recommended('near', 'i1,nothing')).unknown, ['nothing']);
});

test('a file with a mistake keeps nobody from the other models', async () => {
  const file = path.join(project, 'models/typo.yaml');
  writeFileSync(file, 'kind: alss\n');
  const { models } = await getJson('/v1/models');
  assert.match(models.find((model) => model.name === 'typo').problem, /typo\.yaml:1: .*alss/);
  assert.ok(models.find((model) => model.name === 'near').kind);
  const listed = await millrace('model', 'list');
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, /alss/);
  assert.equal((await millrace('model', 'show', 'near')).code, 0);
  const refused = await millrace('train', 'typo');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /alss/);
  await rm(file);
});

test('Ctrl-C ends what the server does for a command; a training waits for it and says so', async () => {
  const [file, other] = ['endless', 'other'].map((name) => path.join(project, `models/${name}.yaml`));
  writeFileSync(file, 'kind: als\nsearch: {factors: [2, 8]}\nevaluate: {n: 5}\n');
  writeFileSync(other, 'kind: item_knn\nevaluate: {n: 5}\n');
  const search = spawn(binary, ['tune', 'endless', '--trials', '10000', '--data', server.data]);
  const ended = new Promise((resolve) => search.on('close', (code, signal) => resolve({ code, signal })));
  await eventually('the other waits', async () => {
    const busy = await server.asAdmin('POST', '/v1/models/other/train?deploy=never');
    const reader = busy.body.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    await reader.cancel();
    assert.match(first, /waiting for another training/);
  });
  search.kill('SIGINT');
  assert.equal((await ended).signal, 'SIGINT');
  const trained = await millrace('train', 'other', '--deploy', 'never');
  assert.equal(trained.code, 0, trained.stderr);
  await Promise.all([rm(file), rm(other)]);
});

test('its evaluation is printed and kept', async () => {
  const shown = await millrace('evaluate', 'near');
  assert.match(shown.stdout, /near with its fallback is better than popularity_recent/);
  const version = await getJson('/v1/models/near/versions/1');
  assert.equal(version.training.rows, 720);
  assert.ok(version.training.offsets['events/0'] > 0);
  assert.ok(version.evaluation.models.find(({ name }) => name === 'popularity_recent'));
  const json = JSON.parse((await millrace('evaluate', 'near', '--json')).stdout);
  assert.equal(json.models.length, 4, 'two baselines, the model, what is deployed');
});

test('how it stands against popularity is said, and who may change it', async () => {
  const model = await getJson('/v1/models/near');
  const [version] = model.versions;
  assert.ok(version.gain.low > 0);
  const gain = version.metrics.all.ndcg.mean - version.baseline.all.ndcg.mean;
  assert.ok(Math.abs(version.gain.mean - gain) < 1e-6, 'of the same people');
  assert.equal(version.passed, true);
  assert.match(version.gate, /^as the first: ndcg \+0\.\d+ \(.*\) against recent popularity/);
  assert.equal((await getJson('/v1/models/near/versions/1')).gate, version.gate, 'kept with the version');
  assert.equal(model.may_change, false);
  assert.equal((await getJson('/v1/models')).may_change, false);
  assert.equal((await (await server.asAdmin('GET', '/v1/models/near')).json()).may_change, true);
});

test('its evaluation is a page, and can say how often to train', async () => {
  const page = await server.fetch('/v1/models/near/versions/1/report');
  assert.equal(page.status, 200);
  assert.match(page.headers.get('content-type'), /text\/html/);
  assert.match(page.headers.get('content-security-policy'), /default-src 'none'/);
  assert.match(await page.text(), /<h1>near@1<\/h1>.*near with its fallback is better than popularity_recent/s);
  assert.equal((await server.fetch('/v1/models/near/versions/9/report')).status, 404);
  const html = path.join(project, 'report.html');
  const walked = await millrace('evaluate', 'near', '-n', '5,10', '--retrain', 'never,1h', '--html', html, '--json');
  assert.equal(walked.code, 0, walked.stderr);
  const report = JSON.parse(walked.stdout);
  assert.deepEqual([report.n, report.further_n], [5, [10]]);
  assert.deepEqual(report.retraining[0].cadences.map(({ name, trainings }) => [name, trainings]), [['1h', 4], ['never', 1]]);
  assert.match(readFileSync(html, 'utf8'), /<h1>near<\/h1>.*How often to train near/s);
  assert.match((await millrace('evaluate', 'near', '--retrain', 'never,weekly')).stderr, /spans .*, less than two periods/);
  assert.match((await millrace('evaluate', 'near', '-n', '0')).stderr, /'0' is no length/);
});

test('no request fails while versions are swapped', async () => {
  assert.equal((await millrace('train', 'near', '--deploy', 'never')).code, 0);
  let going = true, asked = 0;
  const seen = new Set();
  const ask = async () => {
    while (going) {
      const answer = await server.fetch('/v1/models/near/recommendations?items=i1');
      assert.equal(answer.status, 200);
      seen.add((await answer.json()).model);
      asked++;
    }
  };
  const askers = [ask(), ask(), ask()];
  for (let round = 0; round < 6; round++) {
    assert.match((await millrace('deploy', `near@${1 + (round % 2)}`)).stdout, /is deployed/);
  }
  going = false;
  await Promise.all(askers);
  assert.ok(asked > 50);
  assert.deepEqual([...seen].sort(), ['near@1', 'near@2']);
  assert.match((await millrace('model', 'rollback', 'near')).stdout, /near@1 is deployed/);
  const list = (await millrace('model', 'list', 'near')).stdout;
  assert.match(list, /\* 1 /);
  assert.match(list, /What goes together/);
});

test('a version that is damaged is refused, and what is served stays', async () => {
  const file = path.join(server.data, 'models/near/2/weights_value.npy');
  const bytes = readFileSync(file);
  const damaged = Buffer.from(bytes);
  damaged[damaged.length - 1] ^= 1;
  writeFileSync(file, damaged);
  const refused = await millrace('deploy', 'near@2');
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /weights_value\.npy: is not what was written/);
  assert.equal((await recommended('near', 'i1')).model, 'near@1');
  writeFileSync(file, bytes);
  assert.match((await millrace('model', 'remove', 'near@2')).stdout, /near@2 is removed/);
  const gone = await millrace('deploy', 'near@2');
  assert.match(gone.stderr, /near has no version 2/);
});

test('a version that is worse than the one deployed is kept, not deployed, and train ends with 3', async () => {
  const file = path.join(project, 'models/near.yaml');
  const good = readFileSync(file, 'utf8');
  writeFileSync(file, good.replace('item_knn', 'popularity'));
  const trained = await millrace('train', 'near');
  assert.equal(trained.code, 3, trained.stderr);
  assert.match(trained.stdout, /near@\d+: [^]*not deployed: may be worse/);
  assert.equal((await recommended('near', 'i1')).model, 'near@1');
  assert.equal((await millrace('train', 'near', '--deploy', 'never')).code, 0, 'nobody asked for it to be deployed');
  writeFileSync(file, good);
});

test('a search prints settings for the file', async () => {
  const found = await millrace('tune', 'factors', '--trials', '4');
  assert.equal(found.code, 0, found.stderr);
  assert.equal(found.stdout.match(/^ndcg 0\.\d+ \(.*\)  \w+=\d/gm).length, 4, found.stdout);
  assert.doesNotMatch(found.stdout, /[{]|_us/);
  assert.match((await millrace('tune', 'near')).stderr, /give search/);
});

test('everyone gets a list, in a table, a file and by key', async () => {
  const made = await millrace('batch-recommend', 'near', '-n', '5');
  assert.equal(made.code, 0, made.stderr);
  assert.match(made.stdout, /near run 1: 90 people, \d+ rows by near@1; lake\/recommendations\/batch\/near\/run=1/);
  const list = await getJson('/v1/batch-recommendations/near/p4?n=3');
  assert.equal(list.model, 'near@1');
  assert.ok(list.age_s >= 0);
  assert.ok(list.items.length > 0 && list.items.length <= 3);
  for (const { id } of list.items) assert.equal(Math.floor(Number(id.slice(1)) / 10), 1, 'of the taste of p4');
  const sql = (query) => millrace('sql', '--json', query).then(({ stdout }) => JSON.parse(stdout).rows);
  const [[people, lists, repeats]] = await sql(
    'SELECT count(DISTINCT user_id), count(*), (SELECT count(*) FROM batch_recommendations b JOIN item_interactions i ON i.visitor = b.user_id AND i.item_id = b.item_id) FROM batch_recommendations');
  assert.equal(Number(people), 90);
  assert.equal(Number(repeats), 0, 'nothing that was met');
  assert.equal((await millrace('batch-recommend', 'near', '-n', '2')).code, 0);
  const [[rows]] = await sql('SELECT count(*) FROM batch_recommendations');
  assert.ok(Number(rows) <= 180 && Number(lists) >= Number(rows), 'the new run took the place of the old');
  assert.ok(!existsSync(path.join(server.data, 'lake/recommendations/batch/near/run=1/part-00000.parquet')));
  assert.ok(existsSync(path.join(server.data, 'lake/recommendations/batch/near/run=2/part-00000.parquet')));
  assert.equal((await server.fetch('/v1/batch-recommendations/near/nobody')).status, 404);
  assert.equal((await server.fetch('/v1/batch-recommendations/nothing/p4')).status, 404);
  assert.match((await millrace('batch-recommend', 'factors')).stderr, /no version of factors is deployed/);
  assert.equal((await getJson('/v1/batch-recommendations')).sets.length, 1);
});

test('mistakes are told with what to do', async () => {
  assert.match((await millrace('train', 'neer')).stderr, /no models\/neer\.yaml; did you mean near\?/);
  assert.match((await millrace('train', 'broken')).stderr, /models\/broken\.yaml: interactions: .*nowhere/);
  assert.match((await millrace('model', 'rollback', 'factors')).stderr, /no other version of factors/);
  assert.equal((await server.fetch('/v1/models/factors/recommendations?items=i1')).status, 404);
  assert.equal((await server.fetch('/v1/models/near/recommendations?item=i1')).status, 400);
  const list = await millrace('model', 'list');
  assert.match(list.stdout, /factors +als/);
  assert.match(list.stdout, /not trained yet: millrace train factors/);
});

test('killed while it trains, the server serves what it served', async () => {
  const slow = path.join(project, 'models/slow.yaml');
  writeFileSync(slow, 'kind: als\nsettings: {factors: 200, iterations: 1000}\n');
  const training = spawn(binary, ['train', 'slow', '--data', server.data], { stdio: 'ignore' });
  await new Promise((r) => setTimeout(r, 700));
  await server.kill();
  training.kill('SIGKILL');
  server = await Server.start({ args: ['--project', project], data: server.data });
  await eventually('served again', async () => assert.equal((await recommended('near', 'i1')).model, 'near@1'));
  writeFileSync(slow, 'kind: als\nsettings: {factors: 2, iterations: 2}\n');
  assert.match((await millrace('train', 'slow', '--deploy', 'always')).stdout, /slow@\d/);
});

test('the examples are models', async () => {
  for (const example of ['shop', 'news']) {
    const copy = await temporaryDir();
    cpSync(path.join(root, 'examples', example), copy, { recursive: true });
    writeFileSync(path.join(copy, 'millrace.yaml'), '{}\n');
    const other = await Server.start({ args: ['--project', copy] });
    try {
      const { models } = await (await other.fetch('/v1/models')).json();
      assert.ok(models.length > 0, example);
      for (const model of models) assert.ok(model.kind, JSON.stringify(model));
    } finally {
      await other.stop();
      await rm(copy, { recursive: true, force: true });
    }
  }
});

test('vectors are written out, and taken in as a model of their own', async () => {
  const trained = await millrace('train', 'factors', '--deploy', 'always');
  assert.equal(trained.code, 0, trained.stderr);
  const [items, users] = ['items.csv', 'users.csv'].map((name) => path.join(project, name));
  const written = await millrace('model', 'export', 'factors', '--items', items, '--users', users);
  assert.equal(written.code, 0, written.stderr);
  assert.match(written.stdout, /30 vectors of items written/);
  assert.match(readFileSync(items, 'utf8'), /^id,embedding\n"?i\d+"?,"\[-?[\d.e-]+,/);
  const imported = await millrace('model', 'import', 'ours', '--items', items, '--users', users);
  assert.equal(imported.code, 0, imported.stderr);
  assert.match(imported.stdout, /ours@1: 90 users and 30 items\ndeployed, without being judged/);
  const { items: best, user_known: known } = await getJson('/v1/models/ours/recommendations?user=p1&n=5&items=i10');
  assert.equal(known, true);
  assert.ok(best.every(({ id }) => Math.floor(Number(id.slice(1)) / 10) === 1), JSON.stringify(best));
  const again = await millrace('model', 'export', 'ours', '--items', path.join(project, 'again.npy'), '--item-ids', path.join(project, 'again.txt'));
  assert.equal(again.code, 0, again.stderr);
  assert.equal(readFileSync(path.join(project, 'again.txt'), 'utf8').trim().split('\n').length, 30);
  writeFileSync(items, 'id,embedding\na,"[1,2]"\nb,"[1]"\n');
  const refused = await millrace('model', 'import', 'ours', '--items', items);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /items\.csv:3/);
  assert.match((await millrace('model', 'export', 'near', '--items', items)).stderr, /a model of kind item_knn has no vectors/);
});

test('two towers know people by what is told of them', async () => {
  writeFileSync(path.join(project, 'models/towers.yaml'), `kind: two_tower
interactions: {from: "SELECT *, substr(visitor, 2)::INTEGER % 3 AS taste FROM item_interactions"}
users: {features: [{name: taste, kind: category}]}
items: {from: "SELECT DISTINCT item_id, 'row ' || substr(item_id, 2)::INTEGER // 10 AS shelf FROM item_interactions", features: [shelf]}
settings: {dimensions: 8, hidden: 16, epochs: 40, learning_rate: 0.02, batch: 64, held_out: 0}
`);
  const trained = await millrace('train', 'towers', '--deploy', 'always');
  assert.equal(trained.code, 0, trained.stderr);
  const ask = async (body) => (await server.post('/v1/models/towers/recommendations', body)).json();
  const { items } = await ask({ features: { taste: 2 }, n: 10 });
  assert.ok(items.every(({ id }) => Math.floor(Number(id.slice(1)) / 10) === 2), JSON.stringify(items));
  assert.match((await ask({ features: { flavour: 2 } })).message, /knows no feature flavour: it knows taste/);
  const { users } = await (await server.post('/v1/models/towers/vectors', { users: [{ features: { taste: 1 } }, { id: 'nobody' }] })).json();
  assert.equal(users[0].vector.length, 8);
  assert.equal(users[1].vector, null);
  const folder = path.join(project, 'towers-out');
  assert.equal((await millrace('model', 'export', 'towers', '--towers', folder)).code, 0);
  const back = await millrace('model', 'import', 'towers', '--towers', folder, '--deploy', 'always');
  assert.equal(back.code, 0, back.stderr);
  assert.match(back.stdout, /towers@2: 90 users and 30 items/);
  assert.deepEqual((await ask({ features: { taste: 2 }, n: 10 })).items, items);
});
