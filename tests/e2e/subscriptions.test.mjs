// ctest: timeout 240
// Topics handed on: a push into our own collector, endpoints that misbehave, pulls by node and by python3, kill -9.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { eventually, root, run, Server, temporaryDir } from '../support/millrace.mjs';

const secret = 'a secret of this test';
const cleanUp = [];
after(async () => {
  for (const work of cleanUp.reverse()) await work();
});

/** An endpoint whose answers `script(body, request)` decides: a status, 'hang' or 'close'. */
async function endpoint(script) {
  const taken = [];
  const requests = [];
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      const text = Buffer.concat(chunks).toString();
      const body = JSON.parse(text);
      const data = body.message ? Buffer.from(body.message.data, 'base64').toString() : body.data;
      requests.push({ headers: request.headers, text, body, data, url: request.url });
      const verdict = script(data, body, request);
      if (verdict === 'hang') return;
      if (verdict === 'close') return request.socket.destroy();
      if (verdict < 300) taken.push(data);
      response.writeHead(verdict).end('{}');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  cleanUp.push(close);
  return { taken, requests, close, port: server.address().port, url: `http://127.0.0.1:${server.address().port}/hook` };
}

/** A server that may push to `targets`, on data that outlives it. */
async function start(targets, { data, listen } = {}) {
  const project = await mkdtemp(path.join(tmpdir(), 'millrace-project-'));
  cleanUp.push(() => rm(project, { recursive: true, force: true }));
  const lines = targets.map((url) => `    - {url: "${url}", secret: "\${env:HOOK_SECRET}"}`);
  await writeFile(path.join(project, 'millrace.yaml'), `subscriptions:\n  push_targets:\n${lines.join('\n')}\n`);
  const server = await Server.start({ data, listen, args: ['--project', project], env: { HOOK_SECRET: secret } });
  cleanUp.push(() => server.stop());
  return server;
}

async function send(server, method, route, body) {
  const answer = await server.fetch(route, { method, body: body === undefined ? undefined : JSON.stringify(body) });
  return { status: answer.status, ...(await answer.json()) };
}

async function makeTopic(server, topic) {
  assert.equal((await send(server, 'PUT', `/v1/topics/${topic}`)).status, 200);
}

async function subscribe(server, name, settings) {
  const made = await send(server, 'PUT', `/v1/subscriptions/${name}`, settings);
  assert.equal(made.status, 200, made.message);
}

async function publish(server, topic, text, headers = {}) {
  const answer = await server.post(`/v1/topics/${topic}/messages`, text, headers);
  assert.equal(answer.status, 200, await answer.text());
}

const describe = (server, name) => server.json(`/v1/subscriptions/${name}`);

test('a topic pushed into our own collector reaches the warehouse once, also through kill -9', async () => {
  const data = await temporaryDir();
  cleanUp.push(() => rm(data, { recursive: true, force: true }));
  // A port that stays the same, since the subscription pushes to the server itself.
  const probe = http.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const listen = `127.0.0.1:${probe.address().port}`;
  probe.close();
  await once(probe, 'close');
  const target = `http://${listen}/v1/push/`;

  let server = await start([target], { data, listen });
  await makeTopic(server, 'clicks');
  await subscribe(server, 'to-warehouse', { topic: 'clicks', push: { url: `${target}segment` } });
  const pages = { '/home': 60, '/sale': 30, '/about': 10 };
  const messages = Object.entries(pages).flatMap(([page, count]) => Array.from({ length: count }, (_, i) => [page, i]));
  const publishOne = ([page, i]) =>
    publish(server, 'clicks', JSON.stringify({ type: 'page', anonymousId: `v-${i}`, timestamp: new Date().toISOString(), properties: { path: page } }), { 'x-key': `v-${i}` });
  for (const message of messages.slice(0, 50)) await publishOne(message);
  await server.kill();
  server = await start([target], { data, listen });
  for (const message of messages.slice(50)) await publishOne(message);

  await eventually('all pushed', async () => {
    const { backlog, counts } = await describe(server, 'to-warehouse');
    assert.equal(backlog, 0, JSON.stringify(counts));
  });
  await server.drained();
  const rows = await server.sql("SELECT page_path, count(*) FROM events WHERE type = 'page_view' GROUP BY 1 ORDER BY 2 DESC");
  assert.deepEqual(rows.map(([page, count]) => [page, Number(count)]), Object.entries(pages));

  // Simulated visits take the same way.
  await makeTopic(server, 'visits');
  await subscribe(server, 'visits-to-warehouse', { topic: 'visits', push: { url: `${target}visit` } });
  const simulated = await run(['simulate', '--as', 'visits', '--target', `topic:visits@${listen}`, '--minutes', '0.02',
    '--visits-per-minute', '1500', '--think', '0.05', '--no-recommendations']);
  assert.equal(simulated.code, 0, simulated.stderr);
  const published = Number(/([\d,]+) acknowledged/.exec(simulated.stdout)[1].replaceAll(',', ''));
  assert.ok(published > 0);
  await eventually('all pushed', async () => assert.equal((await describe(server, 'visits-to-warehouse')).backlog, 0));
  await server.drained();
  assert.equal(Number((await server.sql('SELECT count(*) FROM events'))[0][0]) - 100, published);
});

test('an endpoint that answers 500, hangs or closes gets each message until it takes it; others do not wait', async () => {
  const tries = new Map();
  const moody = await endpoint((data) => {
    const attempt = (tries.get(data) ?? 0) + 1;
    tries.set(data, attempt);
    if (data === 'poison') return 422;
    if (data === 'm3' && attempt === 1) return 'hang';
    return attempt === 1 ? [500, 'close', 503][Number(data.slice(1)) % 3] : 204;
  });
  const steady = await endpoint(() => 200);
  const dead = await endpoint(() => 200);
  dead.close();
  const server = await start([moody, steady, dead].map((one) => one.url));
  await makeTopic(server, 'orders');
  const settings = { topic: 'orders', retry_min_s: 0.01, retry_max_s: 0.2 };
  await subscribe(server, 'moody', { ...settings, max_attempts: 4, dead_letter_topic: 'orders-dead', push: { url: moody.url } });
  await subscribe(server, 'steady', { ...settings, push: { url: steady.url, format: 'cloudevents' } });
  await subscribe(server, 'dead', { ...settings, max_attempts: 2, dead_letter_topic: 'orders-dead', push: { url: dead.url } });

  const texts = [...Array.from({ length: 12 }, (_, i) => `m${i}`), 'poison'];
  for (const text of texts) await publish(server, 'orders', text, { 'content-type': 'text/plain', 'x-attribute-type': 'order.placed' });
  await eventually('steady has all', () => assert.equal(steady.taken.length, texts.length), 8_000);
  assert.deepEqual(new Set(steady.requests.map(({ body }) => `${body.specversion} ${body.type} ${atob(body.data_base64)}`)),
    new Set(texts.map((text) => `1.0 order.placed ${text}`)));

  await eventually('moody has all but the poison', async () => {
    assert.deepEqual([...moody.taken].sort(), texts.slice(0, 12).sort());
    assert.equal((await describe(server, 'moody')).counts.dead, 1);
  });
  assert.equal(tries.get('poison'), 4);
  const { counts, push } = await describe(server, 'dead');
  assert.deepEqual([counts.acked, counts.dead], [0, 0], 'what never left is no delivery');
  assert.match(push.last_error, /listens/);
  assert.ok(push.window === 1, 'it is tried carefully');

  // The signature, by an implementation that is not ours.
  const { headers, text } = steady.requests[0];
  const expected = createHmac('sha256', secret).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.${text}`).digest('base64');
  assert.equal(headers['webhook-signature'], `v1,${expected}`);
  const [, documented] = /```python\n(.*?)```/s.exec(await readFile(path.join(root, 'docs/how-to/subscriptions.md'), 'utf8'));
  const python = spawn('python3', ['-c', `import base64, hashlib, hmac, json, sys, time\n${documented}
given = json.load(sys.stdin)
assert is_genuine(given["headers"], given["text"].encode(), given["secret"])
assert not is_genuine(given["headers"], given["text"].encode() + b" ", given["secret"])`], { stdio: ['pipe', 'inherit', 'inherit'] });
  python.stdin.end(JSON.stringify({ headers, text, secret }));
  assert.deepEqual(await once(python, 'close'), [0, null], 'the documented check');
  assert.equal(moody.requests[0].body.subscription, 'moody');
  assert.equal(moody.requests.filter(({ data }) => data === 'poison').at(-1).body.deliveryAttempt, 4);

  // The dead letter says why, and comes again when it is asked for.
  await subscribe(server, 'aside', { topic: 'orders-dead', start: 'start' });
  const { messages } = await send(server, 'POST', '/v1/subscriptions/aside/pull', { wait_ms: 5000 });
  assert.equal(messages[0].message.attributes.dead_letter_reason, 'the endpoint answered 422');
  const replayed = await send(server, 'POST', '/v1/subscriptions/moody/replay');
  assert.deepEqual([replayed.replayed, replayed.gone, replayed.more], [1, 0, false]);
  await eventually('delivered again', () => assert.equal(tries.get('poison'), 8));

  const metrics = await (await server.fetch('/metrics')).text();
  assert.match(metrics, /millrace_subscription_acked_total\{subscription="steady"\} 13/);
  assert.doesNotMatch(metrics + server.stderr, new RegExp(secret));
});

test('node and python3 share a backlog; what they acknowledged never comes again, also after kill -9', async () => {
  const data = await temporaryDir();
  cleanUp.push(() => rm(data, { recursive: true, force: true }));
  let server = await start([], { data });
  await makeTopic(server, 'work');
  await subscribe(server, 'workers', { topic: 'work', start: 'start' });
  const all = Array.from({ length: 300 }, (_, i) => `job-${i}`);
  for (let i = 0; i < all.length; i += 50) await Promise.all(all.slice(i, i + 50).map((text) => publish(server, 'work', text)));

  // A client with nothing but python's standard library: pull, acknowledge, print what is acknowledged.
  const client = `
import base64, json, sys, urllib.request
def call(action, body):
    request = urllib.request.Request(sys.argv[1] + "/v1/subscriptions/workers/" + action, json.dumps(body).encode())
    return json.load(urllib.request.urlopen(request, timeout=30))
for _ in range(int(sys.argv[2])):
    messages = call("pull", {"max": 10, "wait_ms": 500})["messages"]
    if not messages: break
    assert call("ack", {"ack_ids": [m["ack_id"] for m in messages]})["acked"] == len(messages)
    for m in messages: print(base64.b64decode(m["message"]["data"]).decode(), flush=True)
`;
  const seen = [];
  const python = async (rounds) => {
    const child = spawn('python3', ['-c', client, server.url, String(rounds)], { stdio: ['ignore', 'pipe', 'inherit'] });
    let out = '';
    child.stdout.on('data', (d) => (out += d));
    const [code] = await once(child, 'close');
    assert.equal(code, 0);
    seen.push(...out.split('\n').filter(Boolean));
  };
  const node = async (rounds) => {
    for (let i = 0; i < rounds; i++) {
      const { messages } = await send(server, 'POST', '/v1/subscriptions/workers/pull', { max: 10, wait_ms: 500 });
      if (messages.length === 0) return;
      const acked = await send(server, 'POST', '/v1/subscriptions/workers/ack', { ack_ids: messages.map((m) => m.ack_id) });
      assert.equal(acked.acked, messages.length);
      seen.push(...messages.map((m) => Buffer.from(m.message.data, 'base64').toString()));
    }
  };
  await Promise.all([python(8), node(8)]);
  assert.equal(seen.length, 160);
  // Some are held when the server is killed: these, and only these and the rest, come again.
  const held = await send(server, 'POST', '/v1/subscriptions/workers/pull', { max: 20 });
  assert.equal(held.messages.length, 20);
  await server.kill();
  server = await start([], { data });
  await Promise.all([python(1000), node(1000)]);
  assert.deepEqual(seen.toSorted(), all.toSorted(), 'each job once');
  const late = await send(server, 'POST', '/v1/subscriptions/workers/ack', { ack_ids: [held.messages[0].ack_id] });
  assert.equal(late.acked, 1, 'a late acknowledgement of what is done is fine');
  assert.equal((await describe(server, 'workers')).backlog, 0);
});

test('the next message of a key comes after the one before was acknowledged', async () => {
  const server = await start([]);
  await makeTopic(server, 'ordered');
  await subscribe(server, 'in-order', { topic: 'ordered', ordered: true });
  for (const [key, text] of [['a', 'a1'], ['a', 'a2'], ['b', 'b1']]) await publish(server, 'ordered', text, { 'x-key': key });
  const pull = async () => (await send(server, 'POST', '/v1/subscriptions/in-order/pull', { wait_ms: 2000 })).messages;
  const texts = (messages) => messages.map((m) => atob(m.message.data));
  let first = [];
  while (first.length < 2) first.push(...(await pull()));
  assert.deepEqual(texts(first).sort(), ['a1', 'b1']);
  const a1 = first.find((m) => atob(m.message.data) === 'a1');
  assert.equal(a1.message.ordering_key, 'a');
  await send(server, 'POST', '/v1/subscriptions/in-order/nack', { ack_ids: [a1.ack_id], delay_ms: 0 });
  const [again] = await pull();
  assert.deepEqual([atob(again.message.data), again.delivery_attempt], ['a1', 2]);
  await send(server, 'POST', '/v1/subscriptions/in-order/extend', { ack_ids: [again.ack_id], deadline_s: 60 });
  await send(server, 'POST', '/v1/subscriptions/in-order/ack', { ack_ids: [again.ack_id] });
  assert.deepEqual(texts(await pull()), ['a2']);
});

test('mistakes get the remedy', async () => {
  const server = await start(['http://127.0.0.1:9/hooks/']);
  await makeTopic(server, 't');
  const put = (settings) => send(server, 'PUT', '/v1/subscriptions/s', settings);
  for (const [settings, status, message] of [
    [{ topic: 'nowhere' }, 404, /topic create nowhere/],
    [{ topic: 't', push: { url: 'ftp://127.0.0.1:9/hooks/x' } }, 400, /http\(s\):\/\/HOST/],
    [{ topic: 't', push: { url: 'http://127.0.0.1:9/other' } }, 403, /push_targets/],
    [{ topic: 't', push: { url: 'http://127.0.0.1:9/hooks/../other' } }, 400, /push target/],
    [{ topic: 't', push: { url: 'http://127.0.0.1:99/hooks/x' } }, 403, /push_targets/],
    [{ topic: 't', ack_deadline_s: 5 }, 400, /ack_deadline_s: must be seconds from 10 to 600/],
    [{ topic: 't', max_atempts: 5 }, 400, /max_attempts/],
  ]) {
    const answer = await put(settings);
    assert.equal(answer.status, status, JSON.stringify(settings));
    assert.match(answer.message, message);
  }
  assert.equal((await put({ topic: 't', push: { url: 'http://127.0.0.1:9/hooks/x' } })).status, 200);
  assert.match((await send(server, 'POST', '/v1/subscriptions/s/pull', {})).message, /pushes its messages/);
  assert.equal((await send(server, 'POST', '/v1/subscriptions/x/pull', {})).status, 404);
  assert.equal((await put({ topic: 't' })).status, 200, 'push to pull is a change of settings');
  for (const [action, body, message] of [
    ['pull', { max: 0 }, /max: must be a whole number from 1 to 1000/],
    ['pull', { most: 1 }, /there are max, wait_ms/],
    ['ack', {}, /ack_ids/],
    ['ack', { ack_ids: ['x'] }, /is no ack_id/],
    ['extend', { ack_ids: ['0.0.0.0'] }, /deadline_s/],
    ['seek', {}, /either/],
    ['seek', { time: 'yesterday' }, /time/],
    ['replay', {}, /dead_letter_topic/],
  ]) {
    const answer = await send(server, 'POST', `/v1/subscriptions/s/${action}`, body);
    assert.equal(answer.status, 400, `${action} ${JSON.stringify(body)}: ${answer.message}`);
    assert.match(answer.message, message);
  }
  assert.equal((await send(server, 'DELETE', '/v1/subscriptions/s')).status, 200);
  assert.equal((await send(server, 'GET', '/v1/subscriptions/s')).status, 404);
});

test('the commands do the same', async () => {
  const server = await start([]);
  const millrace = async (...args) => {
    const done = await run([...args, '--data', server.data]);
    assert.equal(done.code, 0, done.stderr);
    return done.stdout;
  };
  await millrace('topic', 'create', 'clicks');
  await millrace('subscription', 'create', 'readers', '--topic', 'clicks');
  await millrace('topic', 'publish', 'clicks', '{"page":"/home"}', '--key', 'v7', '--attribute', 'codec=native');
  assert.match(await millrace('topic', 'list'), /clicks +1 +1 /);
  assert.match(await millrace('topic', 'tail', 'clicks'), /0:0 .*\[v7\] \{"page":"\/home"\}/);
  const { messages } = JSON.parse(await millrace('subscription', 'pull', 'readers', '--json', '--ack'));
  assert.deepEqual(messages[0].message.attributes, { codec: 'native', content_type: 'application/json' });
  assert.match(await millrace('subscription', 'list'), /readers +clicks +0 +0 +1 /);
  assert.match(await millrace('subscription', 'pull', 'readers'), /nothing to pull/);
  await millrace('subscription', 'seek', 'readers', 'start');
  assert.match(await millrace('subscription', 'pull', 'readers', '--ack'), /"\/home"/);
  await millrace('subscription', 'delete', 'readers');
  const wrong = await run(['topic', 'tail', 'click', '--data', server.data]);
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /did you mean 'clicks'/);
});
