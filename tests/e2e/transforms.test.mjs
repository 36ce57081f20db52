// Transforms in flight: the documented ones, a function that misbehaves in every way, kill -9.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually, root, run, Server, temporaryDir } from '../support/millrace.mjs';

const cleanUp = [];
after(async () => {
  for (const work of cleanUp.reverse()) await work();
});

/** A project with these transforms; returns its folder. */
async function project(transforms, config = '') {
  const folder = await temporaryDir();
  cleanUp.push(() => rm(folder, { recursive: true, force: true }));
  await mkdir(path.join(folder, 'in_flight'));
  await writeFile(path.join(folder, 'millrace.yaml'), config || '{}');
  for (const [name, text] of Object.entries(transforms)) await writeFile(path.join(folder, 'in_flight', `${name}.yaml`), text);
  return folder;
}

async function start(folder, options = {}) {
  const server = await Server.start({ args: ['--project', folder], ...options });
  cleanUp.push(() => server.stop());
  return server;
}

async function publish(server, topic, value, headers = {}) {
  const answer = await server.post(`/v1/topics/${topic}/messages`, JSON.stringify(value), headers);
  assert.equal(answer.status, 200, await answer.text());
}

const makeTopic = (server, topic, partitions = 1) => server.fetch(`/v1/topics/${topic}?partitions=${partitions}`, { method: 'PUT' });

/** Read a topic through a subscription: [{ data, attributes }]. */
async function pulled(server, topic) {
  const name = `s${Math.random().toString(36).slice(2)}`;
  const send = (method, route, body) => server.fetch(route, { method, body: JSON.stringify(body) });
  await send('PUT', `/v1/subscriptions/${name}`, { topic, start: 'start' });
  const answer = await (await send('POST', `/v1/subscriptions/${name}/pull`, { max: 1000, wait_ms: 500 })).json();
  await send('DELETE', `/v1/subscriptions/${name}`);
  return (answer.messages ?? []).map(({ message }) => ({ ...message, data: Buffer.from(message.data, 'base64').toString() }));
}

const quarantined = (server) => server.sql(`SELECT code, message, where_ FROM quarantine WHERE stage = 'transform' ORDER BY where_`);

/** A function whose answer `script(records, n)` decides: a body, a status, or 'hang'. */
async function endpoint(script) {
  let n = 0;
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const { records } = JSON.parse(Buffer.concat(chunks));
      const verdict = script(records, n++);
      if (verdict === 'hang') return;
      if (typeof verdict === 'number') return response.writeHead(verdict).end('{}');
      response.end(typeof verdict === 'string' ? verdict : JSON.stringify({ records: verdict }));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => (server.closeAllConnections(), server.close()));
  return { url: `http://127.0.0.1:${server.address().port}/f`, calls: () => n, close: () => (server.closeAllConnections(), server.close()) };
}

const ok = (record, data = Buffer.from(record.data, 'base64').toString()) => ({ recordId: record.recordId, result: 'Ok', data: Buffer.from(`${data}!`).toString('base64') });

test('the documented expression and the documented function', async () => {
  const page = readFileSync(path.join(root, 'docs/how-to/transforms-in-flight.md'), 'utf8');
  const [sql, scored] = [...page.matchAll(/```yaml\n(# in_flight.*?)```/gs)].map(([, text]) => text);
  const [, python] = /```python\n(.*?)```/s.exec(page);
  const functionServer = spawn('python3', ['-c', `${python}
server = http.server.HTTPServer(("127.0.0.1", 0), Score)
print(server.server_address[1], flush=True)
server.serve_forever()`], { stdio: ['ignore', 'pipe', 'inherit'] });
  cleanUp.push(() => functionServer.kill());
  const [port] = await once(functionServer.stdout, 'data');
  const url = `http://127.0.0.1:${String(port).trim()}/score`;
  const folder = await project({ 'vip-orders': sql, scored: scored.replace('http://127.0.0.1:9000/score', url).replace('to:', 'start: start\nto:') }, `flow: {http_targets: ["${url}"]}`);
  const server = await start(folder);
  await makeTopic(server, 'orders');
  await publish(server, 'orders', { id: 1, total: '250.00', card: '4111' }, { 'x-key': 'ada', 'x-attribute-shop': 'a' });
  await publish(server, 'orders', { id: 2, total: '3.00', card: '4112' });
  await publish(server, 'orders', { id: 3, total: 'much' });
  await eventually('both done', async () => {
    const [vip] = await pulled(server, 'vip-orders');
    assert.equal(vip.data, '{"id":1,"total":"250.00","vip":true}');
    assert.equal(vip.ordering_key, 'ada');
    assert.equal(vip.attributes.shop, 'a');
    assert.deepEqual(JSON.parse(vip.attributes.flow), { name: 'vip-orders', partition: 0, offset: 0 });
    assert.deepEqual((await pulled(server, 'scored')).map(({ data }) => JSON.parse(data).score), [1, 1, 1]);
  });
  await eventually('quarantined', async () => {
    const [[code, message, where]] = await quarantined(server);
    assert.deepEqual([code, where], ['invalid', 'orders:0:2']);
    assert.match(message, /much/);
  });
  await server.drained();
});

test('a function that fails in every way loses nothing, and delays nobody else', async () => {
  const moody = await endpoint((records, n) => {
    if (n === 0) return 500;
    if (n === 1) return 'hang';
    if (n === 2) return [...records.map((record) => ok(record)), { recordId: 'orders:9:9', result: 'Ok', data: '' }];
    if (n === 3) return 'garbage';
    if (n === 4) return records.slice(1).map((record) => ok(record));
    return records.map((record) => {
      const text = Buffer.from(record.data, 'base64').toString();
      if (text.includes('drop')) return { recordId: record.recordId, result: 'Dropped' };
      if (text.includes('bad')) return { recordId: record.recordId, result: 'ProcessingFailed' };
      return ok(record);
    }).reverse();
  });
  const dead = await endpoint(() => 500);
  dead.close();
  const http = (url, to) => `from: orders\nto: ${to}\nstart: start\ntimeout: 300ms\nbatch: 4\nhttp: ${url}\n`;
  const folder = await project(
    { moody: http(moody.url, 'moody'), dead: http(dead.url, 'dead'), quick: "from: orders\nto: quick\nstart: start\nsql: data->>'n'\n" },
    `flow: {http_targets: ["${moody.url}", "${dead.url}"]}`,
  );
  const server = await start(folder);
  await makeTopic(server, 'orders');
  const kinds = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'drop', 'bad', 'i', 'j'];
  for (const n of kinds) await publish(server, 'orders', { n });
  await eventually('quick is not held up', async () => assert.deepEqual((await pulled(server, 'quick')).map(({ data }) => data), kinds), 8_000);
  // Tries 0 to 2 fail for the first batch; then 3 for the second, 4 leaves its first out, 5 takes it.
  await eventually('moody is through', async () => {
    const texts = (await pulled(server, 'moody')).map(({ data }) => JSON.parse(data.slice(0, -1)).n);
    assert.ok(texts.includes('i') && texts.includes('j'), texts.join());
    assert.deepEqual(texts, texts.toSorted(), 'in order');
    const failed = (await quarantined(server)).map(([, , where]) => where);
    assert.equal(new Set([...texts, ...failed]).size, kinds.length - 1, `${texts} ${failed}`);
    assert.ok(failed.includes('orders:0:9'), 'what the function refused');
  });
  assert.deepEqual(await pulled(server, 'dead'), [], 'it waits');
  assert.match(await (await server.fetch('/metrics')).text(), /millrace_job_lag_records\{job="transform:dead"\} 12/);
  await server.drained();
});

test('each message is published once, whenever the server is killed', async () => {
  const folder = await project({ copy: "from: orders\nto: copy\nstart: start\nbatch: 20\nsql: CASE WHEN (data->>'n')::INT % 5 <> 0 THEN data->>'n' END\n" });
  const data = await temporaryDir();
  cleanUp.push(() => rm(data, { recursive: true, force: true }));
  let server = await start(folder, { data });
  await makeTopic(server, 'orders', 2);
  const total = 600;
  for (let i = 0; i < total; ) {
    const end = Math.min(total, i + 150);
    const sent = [];
    for (; i < end; i++) sent.push(publish(server, 'orders', { n: String(i) }, { 'x-key': `k${i % 7}` }));
    await Promise.all(sent);
    await server.kill();
    server = await start(folder, { data });
  }
  const expected = Array.from({ length: total }, (_, i) => i).filter((i) => i % 5 !== 0);
  await eventually('all there', async () => {
    const copied = (await pulled(server, 'copy')).map(({ data: text }) => Number(text));
    assert.deepEqual(copied.sort((a, b) => a - b), expected);
  });
});

test('mistakes are told with file and line', async () => {
  const refused = async (text, expected, config = '', more = {}) => {
    const folder = await project({ wrong: text, ...more }, config);
    const data = await temporaryDir();
    const done = await run(['up', '--project', folder, '--data', data, '--listen', '127.0.0.1:0'], { timeoutMs: 10_000 });
    await rm(data, { recursive: true, force: true });
    assert.equal(done.code, 1);
    assert.match(done.stderr, expected);
  };
  await refused('to: x\nsql: no_such(data)\n', /wrong\.yaml:2: .*no_such/);
  await refused('to: x\nsql: data\nhttp: http://127.0.0.1:1/\n', /either 'sql'/);
  await refused('to: x\nhttp: http://127.0.0.1:1/\n', /wrong\.yaml:2: .*flow\.http_targets/);
  await refused('to: x\nhttp: https://127.0.0.1:1/\n', /wrong\.yaml:2: .*http:\/\//);
  await refused('sql: data\n', /wrong\.yaml.*to/);
  await refused('to: x\nsql: data\ntimeot: 3s\n', /wrong\.yaml:3: .*timeout/);
  await refused('to: events\nsql: data\n', /topic of your own/);
  await refused('from: a\nto: b\nsql: data\n', /circle/, '', { back: 'from: b\nto: a\nsql: data\n' });
});
