// ctest: timeout 240
// Vectors from end to end (E5, E6): a team's own embeddings, imported, asked for the nearest, kept over kills.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { eventually, run, Server, temporaryDir } from '../support/millrace.mjs';

/** A generator of numbers from -1 to 1, the same each time. */
function numbers(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.fround(state / 2147483648 - 1);
  };
}

/** Vectors by id, in the reference's size unless said: 109 items of 32 dimensions. */
function embeddings(count = 109, dimensions = 32, seed = 7, name = (i) => `S${10 + (i % 60)}_${1000 + i}`) {
  const next = numbers(seed);
  return new Map(Array.from({ length: count }, (_, i) => [name(i), Array.from({ length: dimensions }, next)]));
}

const csv = (rows) => `id,embedding\n${[...rows].map(([id, v]) => `${id},"[${v.join(',')}]"\n`).join('')}`;

/** The nearest by comparing all here. */
function nearest(rows, query, n, similarity = 'dot', skip = () => false) {
  const dot = (a, b) => a.reduce((sum, x, i) => sum + x * b[i], 0);
  const score = (v) => (similarity === 'dot' ? dot(v, query) : dot(v, query) / Math.sqrt(dot(v, v) * dot(query, query)));
  return [...rows].filter(([id]) => !skip(id)).map(([id, v]) => ({ id, score: score(v) })).sort((a, b) => b.score - a.score).slice(0, n);
}

/** Ids are the same in order, and numbers are near. */
function assertNear(found, wanted, member = 'score') {
  assert.deepEqual(found.map(({ id }) => id), wanted.map(({ id }) => id));
  found.forEach((one, i) => assert.ok(Math.abs(one[member] - wanted[i].score) < 1e-4, `${one.id}: ${one[member]} and ${wanted[i].score}`));
}

/** In this order: a server writes into its folder until it has ended. */
async function stopAndRemove(server, dir) {
  await server.stop();
  await rm(dir, { recursive: true, force: true });
}

const answerOf = async (answer) => ({ status: answer.status, body: await answer.json() });
const put = (server, route, body, method = 'PUT') => server.fetch(route, { method, body: JSON.stringify(body) }).then(answerOf);
const post = (server, route, body) => server.post(route, body).then(answerOf);

test('embeddings of a team are imported, asked, kept over a restart and a kill, and served in the shapes of the seed', async (t) => {
  const dir = await temporaryDir();
  const data = path.join(dir, 'data');
  const items = embeddings();
  const users = embeddings(98, 32, 11, (i) => String(103 + i));
  writeFileSync(path.join(dir, 'item_embeddings.csv'), csv(items));
  writeFileSync(path.join(dir, 'user_embeddings.csv'), csv(users));

  let server = await Server.start({ data });
  t.after(() => stopAndRemove(server, dir));
  for (const [set, rows] of [['items', items], ['users', users]]) {
    const done = await run(['vectors', 'import', set, path.join(dir, `${set.slice(0, -1)}_embeddings.csv`), '--data', data, '--json']);
    assert.equal(done.code, 0, done.stderr);
    assert.deepEqual(JSON.parse(done.stdout), { set, put: rows.size, dimensions: 32 });
  }
  const asked = users.get('103');
  const check = async () => {
    const { sets, vectors } = await server.json('/v1/vectors');
    assert.deepEqual(sets.map(({ name, vectors: n }) => [name, n]), [['items', 109], ['users', 98]]);
    assert.equal(vectors, 207);
    const answer = await post(server, '/v1/vectors/items/query', { vector: asked, n: 7 });
    assert.equal(answer.status, 200);
    assertNear(answer.body.items, nearest(items, asked, 7));
  };
  await check();

  // The e-commerce system's own calls.
  const own = await post(server, '/user_embeddings', { customer_number: 103, city: 'Nantes' });
  assert.deepEqual(own.body.map(Math.fround), asked);
  for (const body of [asked, { embedding: asked }, { customerNumber: '103' }]) {
    const { status, body: found } = await post(server, '/items_from_user?limit=3', body);
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(found[0]), ['id', 'score']);
    assertNear(found, nearest(items, asked, 3));
  }
  assert.equal((await post(server, '/items_from_user', asked)).body.length, 5);
  const like = await server.json('/items_from_item?item_id=S10_1000');
  assert.deepEqual(Object.keys(like[0]), ['id', 'distance']);
  const wanted = nearest(items, items.get('S10_1000'), 5, 'dot', (id) => id === 'S10_1000');
  assertNear(like, wanted.map(({ id, score }) => ({ id, score: -score })), 'distance');
  assert.equal((await post(server, '/user_embeddings', { customer_number: 7 })).status, 404);
  assert.equal((await server.fetch('/items_from_item?item_id=none')).status, 404);
  assert.equal((await server.fetch('/items_from_item')).status, 400);

  // A restart, and a kill right after an answer.
  await server.stop();
  server = await Server.start({ data });
  await check();
  const changed = await post(server, '/v1/vectors/items', [{ id: 'S10_1000', vector: asked }, { id: 7, vector: asked.map((x) => -x) }]);
  assert.deepEqual(changed, { status: 200, body: { success: true, put: 2 } });
  assert.equal((await server.fetch('/v1/vectors/items/S11_1001', { method: 'DELETE' })).status, 200);
  await server.kill();
  server = await Server.start({ data });
  items.set('S10_1000', asked);
  items.set('7', asked.map((x) => -x));
  items.delete('S11_1001');
  const all = await post(server, '/v1/vectors/items/query', { vector: asked, n: 1000 });
  assertNear(all.body.items, nearest(items, asked, 1000));
  assert.equal((await server.fetch('/v1/vectors/items/S11_1001')).status, 404);
  assert.deepEqual((await server.json('/v1/vectors/items/7')).vector.map(Math.fround), items.get('7'));

  // Out again, in both forms; what comes out goes in.
  const files = { csv: path.join(dir, 'out.csv'), npy: path.join(dir, 'out.npy'), ids: path.join(dir, 'out.txt') };
  assert.equal((await run(['vectors', 'export', 'items', files.csv, '--data', data])).code, 0);
  const npy = await run(['vectors', 'export', 'items', files.npy, '--ids', files.ids, '--data', data]);
  assert.equal(npy.stdout, `109 vectors of items written to ${files.npy}\n`, npy.stderr);
  assert.deepEqual(readFileSync(files.ids, 'utf8').trimEnd().split('\n').sort(), [...items.keys()].sort());
  assert.equal(readFileSync(files.csv, 'utf8').split('\n')[0], 'id,embedding');
  const back = await run(['vectors', 'import', 'again', files.npy, '--ids', files.ids, '--similarity', 'cosine', '--data', data]);
  assert.equal(back.stdout, '109 vectors of 32 dimensions put into again, durable\n', back.stderr);
  const cosine = await post(server, '/v1/vectors/again/query', { vector: asked, n: 9 });
  assertNear(cosine.body.items, nearest(items, asked, 9, 'cosine'));
  assert.equal((await run(['vectors', 'drop', 'again', '--data', data])).code, 0);
  assert.equal((await server.fetch('/v1/vectors/again')).status, 404);
});

test('queries: by id, several, with filters and vectors; and what is refused, with the place', async (t) => {
  const dir = await temporaryDir();
  const server = await Server.start();
  t.after(() => stopAndRemove(server, dir));
  assert.equal((await put(server, '/v1/vectors/pages', { dimensions: 4, similarity: 'cosine' })).status, 200);
  const rows = embeddings(500, 4, 3, (i) => `p${i}`);
  const lines = [...rows].map(([id, vector]) => JSON.stringify({ id, vector })).join('\n');
  assert.equal((await post(server, '/v1/vectors/pages', lines)).body.put, 500);

  const query = async (body) => {
    const { status, body: answer } = await post(server, '/v1/vectors/pages/query', body);
    assert.equal(status, 200, JSON.stringify(answer));
    return answer;
  };
  const p3 = rows.get('p3');
  assertNear((await query({ id: 'p3', n: 4 })).items, nearest(rows, p3, 4, 'cosine', (id) => id === 'p3'));
  const out = nearest(rows, p3, 3, 'cosine').map(({ id }) => id);
  assertNear((await query({ vector: p3, exclude: out })).items, nearest(rows, p3, 10, 'cosine', (id) => out.includes(id)));
  const only = ['p1', 'p2', 'p400', 'nobody'];
  assertNear((await query({ vector: p3, only })).items, nearest(rows, p3, 3, 'cosine', (id) => !only.includes(id)));
  assert.deepEqual((await query({ id: 'p3', n: 1, only: ['p5'], with_vectors: true })).items[0].vector.map(Math.fround), rows.get('p5'));
  const { results } = await query({ vectors: [p3, rows.get('p9')], n: 2 });
  assertNear(results[1].items, nearest(rows, rows.get('p9'), 2, 'cosine'));
  assert.equal(results.length, 2);

  const refusals = [
    [await post(server, '/v1/vectors/pages/query', { vector: [1, 2] }), 400, /vector.*has 2 values; those of pages have 4/],
    [await post(server, '/v1/vectors/pages/query', { vektor: p3 }), 400, /vektor.*did you mean vector/],
    [await post(server, '/v1/vectors/pages/query', {}), 400, /send \{"vector"/],
    [await post(server, '/v1/vectors/pages/query', { id: 'none' }), 404, /has no vector 'none'/],
    [await post(server, '/v1/vectors/page/query', { id: 'p1' }), 404, /did you mean pages/],
    [await post(server, '/v1/vectors/pages', [{ id: 'a', vector: p3 }, { id: 'b', vector: [1, 2, 3] }]), 400, /\[1\].*has 3 values; all here have 4/],
    [await post(server, '/v1/vectors/pages', '{"id":"a","vector":[1,2,3,4]}\n{"id":"b","vector":[1,2,3,NaN]}'), 400, /line 2.*is not JSON/],
    [await post(server, '/v1/vectors/pages', [{ id: 'a', vector: [1, 2, 3, 1e300] }]), 400, /value 4 of the vector is infinite/],
    [await post(server, '/v1/vectors/pages', ''), 400, /no rows/],
    [await put(server, '/v1/vectors/pages', { dimensions: 5 }), 409, /with 4 dimensions/],
    [await put(server, '/v1/vectors/Pages!', { dimensions: 5 }), 400, /lower-case/],
    [await put(server, '/v1/vectors/more', { dimensions: 5, similarity: 'l2' }), 400, /dot or cosine/],
  ];
  for (const [{ status, body }, code, message] of refusals) {
    assert.equal(status, code, JSON.stringify(body));
    assert.match(body.message, message);
  }
  assert.equal((await server.json('/v1/vectors/pages')).vectors, 500, 'something refused was kept');

  writeFileSync(path.join(dir, 'bad.csv'), 'id,embedding\na,"[1,2]"\nb,"[1,nan]"\n');
  const bad = await run(['vectors', 'import', 'bad', path.join(dir, 'bad.csv'), '--data', server.data]);
  assert.equal(bad.code, 1);
  assert.match(bad.stderr, /bad\.csv:3: value 2 of the vector is not a number/);
  assert.equal((await server.fetch('/v1/vectors/bad')).status, 404);
});

test('a large set becomes a graph whose recall is shown, and stays one over a kill; limits hold', async (t) => {
  const dir = await temporaryDir();
  writeFileSync(path.join(dir, 'millrace.yaml'), 'vectors: {vectors_max: 3100, exact_max: 1000, recall: 0.9, items: things}\n');
  const data = path.join(dir, 'data');
  let server = await Server.start({ data, args: ['--project', dir] });
  t.after(() => stopAndRemove(server, dir));
  assert.equal((await put(server, '/v1/vectors/things', { dimensions: 8, similarity: 'cosine' })).status, 200);
  const rows = embeddings(3000, 8, 5, (i) => `t${i}`);
  assert.equal((await post(server, '/v1/vectors/things', [...rows].map(([id, vector]) => ({ id, vector })))).status, 200);
  const { index } = await eventually('the graph is made', async () => {
    const set = await server.json('/v1/vectors/things');
    assert.equal(set.index.kind, 'hnsw');
    assert.equal(set.index.building, false);
    return set;
  });
  assert.ok(index.recall >= 0.9 && index.recall_wanted === 0.9 && index.measured_on === 200, JSON.stringify(index));
  assert.match((await run(['vectors', 'list', '--data', data])).stdout, /^things +3,000 vectors of +8 {2}cosine {2}hnsw, finds \d+\.\d % \(90 % wanted; M 16/);
  const more = await post(server, '/v1/vectors/things', [...embeddings(101, 8, 6, (i) => `u${i}`)].map(([id, vector]) => ({ id, vector })));
  assert.equal(more.status, 429);
  assert.match(more.body.message, /3,000 vectors and may be 3,100 .*vectors\.vectors_max/);

  const query = rows.get('t5');
  const like = await server.json('/items_from_item?item_id=t5&limit=5');  // of the set that the configuration names
  assert.equal(like.length, 5);
  const share = async () => {
    const { body } = await post(server, '/v1/vectors/things/query', { vector: query, n: 20 });
    const wanted = new Set(nearest(rows, query, 20, 'cosine').map(({ id }) => id));
    return body.items.filter(({ id }) => wanted.has(id)).length / 20;
  };
  assert.ok((await share()) >= 0.8);
  await eventually('the graph is on disk', async () => assert.ok((await readdir(path.join(data, 'vectors/things'))).includes('000000000002.snapshot')));
  await server.kill();
  server = await Server.start({ data, args: ['--project', dir] });
  const again = await server.json('/v1/vectors/things');
  assert.deepEqual(again.index, index);
  assert.equal(again.vectors, 3000);
  assert.ok((await share()) >= 0.8);
});

test('vectors need the token where one is configured', async (t) => {
  const dir = await temporaryDir();
  writeFileSync(path.join(dir, 'millrace.yaml'), 'auth: {token: a-long-secret}\n');
  const server = await Server.start({ args: ['--project', dir] });
  t.after(() => stopAndRemove(server, dir));
  for (const [method, route] of [['GET', '/v1/vectors'], ['PUT', '/v1/vectors/a'], ['POST', '/v1/vectors/a'], ['DELETE', '/v1/vectors/a'],
    ['POST', '/v1/vectors/a/query'], ['POST', '/v1/vectors/a/rows'], ['DELETE', '/v1/vectors/a/b'], ['POST', '/user_embeddings'],
    ['POST', '/items_from_user'], ['GET', '/items_from_item?item_id=a']]) {
    assert.equal((await server.fetch(route, { method })).status, 401, route);
    const status = (await server.fetch(route, { method, headers: { authorization: 'Bearer a-long-secret' } })).status;
    assert.ok([200, 400, 404].includes(status), `${route}: ${status}`);
  }
});
