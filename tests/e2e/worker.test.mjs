// ctest: timeout 240
// Workers and their keeper: scale, drain, and every way in which one of them can die or hang.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { eventually, binary, root, run, Server, temporaryDir } from '../support/millrace.mjs';

const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const fakeSystemd = path.join(root, 'tests/support/fake_systemd.py');
let server, folder;
const keepers = new Set();

before(async () => {
  folder = await temporaryDir();
  server = await Server.start();
  // Says what it begins and what it did; does what the message asks it to.
  await writeFile(path.join(folder, 'job.py'), `
import json, os, sys, time
log = open(sys.argv[1], "a", buffering=1)
log.write(f"born {os.getpid()}\\n")
for line in sys.stdin:
    message = json.loads(line)
    job = json.loads(message["data"])
    log.write(f"begin {job['id']} {message['delivery_attempt']} {os.getpid()}\\n")
    time.sleep(job.get("ms", 0) / 1000)
    act = job.get("act")
    if act == "die": os._exit(3)
    if act == "hang": time.sleep(1000)
    if act == "chat": print("hello", flush=True)
    if act == "fail" and message["delivery_attempt"] < 2:
        print("fail not yet", flush=True)
        continue
    log.write(f"done {job['id']}\\n")
    print("ok", flush=True)
log.write(f"bye {os.getpid()}\\n")
`);
});

after(async () => {
  for (const keeper of keepers) keeper.process.kill('SIGKILL');
  await server?.stop();
  await rm(folder, { recursive: true, force: true });
});

async function send(method, route, body) {
  const answer = await server.fetch(route, { method, body: body && JSON.stringify(body) });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${route}: ${text}`);
  return JSON.parse(text);
}

/** Make a topic and a pull subscription, both named `name`. */
async function subscribe(name, settings = {}) {
  await send('PUT', `/v1/topics/${name}`);
  await send('PUT', `/v1/subscriptions/${name}`, { topic: name, start: 'start', retry_min_s: 0.1, ...settings });
}

const publish = (topic, job, headers = {}) => server.post(`/v1/topics/${topic}/messages`, JSON.stringify(job), headers);
const publishAll = (topic, jobs) => Promise.all(jobs.map((job) => publish(topic, job)));
const backlog = async (name) => (await send('GET', `/v1/subscriptions/${name}`)).backlog;
const numbered = (n, more = {}) => Array.from({ length: n }, (_, i) => ({ id: `j${i}`, ...more }));

/** What job.py wrote to its log: lines of words. */
function logged(name, word) {
  const file = path.join(folder, name);
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').map((line) => line.split(' ')) : [];
  return lines.filter(([first]) => first === word);
}

const doneOf = (name) => logged(name, 'done').map(([, id]) => id);

/** A running `millrace work`, through another program if wanted. */
class Keeper {
  constructor(name, args, command, through = [], env = {}) {
    this.out = '';
    const words = [...through, binary, 'work', ...(args.includes('--data') ? [] : ['--data', server.data]), '--subscription', name, ...args, ...(command ? ['--', ...command] : [])];
    this.process = spawn(words[0], words.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env }, cwd: folder });
    this.process.stdout.on('data', (d) => (this.out += d));
    this.process.stderr.on('data', (d) => (this.out += d));
    this.exited = once(this.process, 'close');
    keepers.add(this);
  }

  async health() {
    const [url] = this.out.match(/http:\/\/\S+\/healthz/g)?.slice(-1) ?? assert.fail(`no address yet: ${this.out}`);
    const answer = await fetch(url);
    return { code: answer.status, ...(await answer.json()) };
  }

  /** Wait until `count` workers answer and return them. */
  async workers(count) {
    return eventually(`${count} workers`, async () => {
      const { workers } = await this.health();
      assert.deepEqual(workers.map(({ state }) => state), Array(count).fill('ok'), this.out);
      return workers;
    });
  }

  async stop() {
    this.process.kill('SIGTERM');
    const ended = await this.exited;
    keepers.delete(this);
    return ended;
  }
}

const keep = (name, args = [], through = [], env = {}) => new Keeper(name, args, ['python3', path.join(folder, 'job.py'), path.join(folder, name)], through, env);

/** Return whether a process runs (a zombie does not). */
function runs(pid) {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** The process ids of job.py in `name` that still run. */
const alive = (name) => logged(name, 'born').map(([, pid]) => Number(pid)).filter(runs);

describe('workers', { concurrency: true }, () => {
  test('the documented programs work', async () => {
    const page = readFileSync(path.join(root, 'docs/how-to/workers.md'), 'utf8');
    const [, python] = /```python\n(.*?)```/s.exec(page);
    const [, shell] = /```sh\n(while.*?)```/s.exec(page);
    await writeFile(path.join(folder, 'send_mail.py'), python);
    await writeFile(path.join(folder, 'append.sh'), shell);

    await subscribe('mail', { max_attempts: 2, dead_letter_topic: 'mail-dead' });
    await publishAll('mail', [{ id: 7, customer: 'ada' }, { id: 8, customer: 'grace' }, { id: 9 }]);
    const mail = new Keeper('mail', [], ['python3', 'send_mail.py']);
    await eventually('all mailed', async () => assert.equal(await backlog('mail'), 0, mail.out));
    await eventually('what the program wrote is read', () => {
      assert.match(mail.out, /a mail to ada about order 7/);
      assert.match(mail.out, /KeyError\('customer'\)/);
    });
    const dead = await send('GET', '/v1/subscriptions/mail');
    assert.deepEqual([dead.counts.acked, dead.counts.dead], [2, 1]);
    assert.deepEqual(await mail.stop(), [0, null]);

    await subscribe('lines');
    const lines = Array.from({ length: 20 }, (_, i) => `order ${i} "ä\\"`);
    await Promise.all(lines.map((text) => server.post('/v1/topics/lines/messages', text)));
    const append = new Keeper('lines', [], ['sh', 'append.sh']);
    await eventually('all appended', async () => assert.equal(await backlog('lines'), 0, append.out));
    assert.deepEqual(readFileSync(path.join(folder, 'orders.txt'), 'utf8').trimEnd().split('\n').sort(), lines.sort());
    assert.deepEqual(await append.stop(), [0, null]);
  });

  test('SIGTERM drains: nothing is lost, nothing acknowledged comes again', async () => {
    await subscribe('drain');
    const jobs = numbered(400, { ms: 20 });
    await publishAll('drain', jobs);
    let rounds = 0;
    for (; (await backlog('drain')) > 0; rounds++) {
      const keeper = keep('drain', ['--min', '3', '--max', '3']);
      await keeper.workers(3);
      const before = doneOf('drain').length;
      await eventually('some done', async () => assert.ok(doneOf('drain').length >= Math.min(before + 120, jobs.length)));
      assert.deepEqual(await keeper.stop(), [0, null], keeper.out);
      assert.deepEqual(alive('drain'), []);
    }
    assert.ok(rounds > 1, 'it was stopped amid the work');
    assert.deepEqual(doneOf('drain').sort(), jobs.map(({ id }) => id).sort(), 'each once');
    assert.equal(logged('drain', 'bye').length, logged('drain', 'born').length, 'each program saw the end of its input');
  });

  test('scales out with a backlog, and in again', async () => {
    await subscribe('scale');
    const keeper = keep('scale', ['--min', '1', '--max', '4', '--backlog', '20', '--calm', '1s']);
    await keeper.workers(1);
    await publishAll('scale', numbered(240, { ms: 40 }));
    await keeper.workers(4);
    await eventually('the backlog is done', async () => assert.equal(await backlog('scale'), 0));
    assert.equal(new Set(logged('scale', 'begin').map((words) => words[3])).size, 4, 'all four worked');
    await keeper.workers(1);
    const { wanted, replaced } = await keeper.health();
    assert.deepEqual([wanted, replaced], [1, 0]);
    assert.deepEqual(doneOf('scale').sort(), numbered(240).map(({ id }) => id).sort(), 'each once');
    assert.equal(alive('scale').length, 1);
    await keeper.stop();
  });

  test('a worker that is killed, and one that is stopped, are replaced; what they held comes to others', async () => {
    await subscribe('die');
    const keeper = keep('die', ['--min', '2', '--max', '2', '--stall', '3s']);
    const [killed, stopped] = await keeper.workers(2);
    await publishAll('die', numbered(40, { ms: 150 }));
    await eventually('both hold messages', async () => {
      const { workers } = await keeper.health();
      assert.ok(workers.every(({ held }) => held > 0));
    });
    process.kill(stopped.pid, 'SIGSTOP');
    process.kill(killed.pid, 'SIGKILL');
    await eventually('its health says nothing', () =>
      fetch(stopped.health, { signal: AbortSignal.timeout(300) }).then(() => assert.fail('it answers'), (error) => assert.equal(error.name, 'TimeoutError')));
    await eventually('both replaced', async () => {
      const { workers, replaced } = await keeper.health();
      assert.equal(replaced, 2, keeper.out);
      assert.deepEqual(workers.map(({ state }) => state), ['ok', 'ok']);
      assert.ok(workers.every(({ pid }) => pid !== killed.pid && pid !== stopped.pid));
    });
    assert.match(keeper.out, /does not answer and is replaced/);
    assert.match(keeper.out, /signal 9/);
    assert.equal(runs(stopped.pid), false);
    await eventually('their programs went with them', () => assert.equal(alive('die').length, 2));
    await eventually('all done', async () => assert.equal(await backlog('die'), 0));
    assert.deepEqual([...new Set(doneOf('die'))].sort(), numbered(40).map(({ id }) => id).sort());
    await keeper.stop();
  });

  test('a keeper that is stopped is replaced by systemd, one that is killed leaves nobody behind', async () => {
    await subscribe('keeper');
    const systemd = keep('keeper', ['--min', '2', '--max', '2'], ['python3', fakeSystemd, '2']);
    const started = () => [...systemd.out.matchAll(/^start (\d+)$/gm)].map(([, pid]) => Number(pid));
    const [first] = await eventually('started', () => (assert.match(systemd.out, /^READY=1$/m), started()));
    const before = (await systemd.workers(2)).map(({ pid }) => pid);
    await publishAll('keeper', numbered(30, { ms: 100 }));
    await eventually('fed', () => assert.match(systemd.out, /^WATCHDOG=1$/m));
    await eventually('says how it does', () => assert.match(systemd.out, /^STATUS=2 workers/m), 15_000);
    process.kill(first, 'SIGSTOP');
    await eventually('replaced', () => {
      assert.match(systemd.out, new RegExp(`^silent ${first}$`, 'm'));
      assert.ok(started().length > 1);
    });
    await eventually('no orphan', () => assert.deepEqual([first, ...before].filter(runs), []), 5_000);
    const after = (await systemd.workers(2)).map(({ pid }) => pid);
    await eventually('nor their programs', () => assert.equal(alive('keeper').length, 2));
    await eventually('all done', async () => assert.equal(await backlog('keeper'), 0));
    assert.deepEqual([...new Set(doneOf('keeper'))].sort(), numbered(30).map(({ id }) => id).sort());

    process.kill(started().at(-1), 'SIGKILL');
    await eventually('no orphan', () => assert.deepEqual(after.filter(runs), []), 5_000);
    await systemd.workers(2);
    await systemd.stop();
    assert.match(systemd.out, /^STOPPING=1$/m);
    assert.match(systemd.out, /^end \d+ 0$/m);
    assert.deepEqual(alive('keeper'), []);
  });

  test('programs that fail, die, chat or hang cost nobody else a message', async () => {
    await subscribe('bad', { max_attempts: 2, dead_letter_topic: 'bad-dead' });
    const bad = [{ id: 'die', act: 'die' }, { id: 'chat', act: 'chat' }, { id: 'hang', act: 'hang' }, { id: 'fail', act: 'fail' }];
    await publishAll('bad', [...numbered(20), ...bad, ...numbered(40).slice(20)]);
    const keeper = keep('bad', ['--min', '2', '--max', '2', '--message-timeout', '4s']);
    await eventually('all settled', async () => {
      const { backlog: left, counts } = await send('GET', '/v1/subscriptions/bad');
      assert.deepEqual([left, counts.dead], [0, 3], JSON.stringify(counts));
    });
    assert.deepEqual([...new Set(doneOf('bad'))].filter((id) => id !== 'chat').sort(), ['fail', ...numbered(40).map(({ id }) => id)].sort());
    for (const words of [/the command ended with exit code 3/, /the command answered 'hello'/, /no answer to a message within 4 s/, /not yet/])
      assert.match(keeper.out, words);
    assert.deepEqual(logged('bad', 'begin').filter(([, id, attempt]) => id.startsWith('j') && attempt > 1), [], 'no other message is to blame');
    // Both may have lost their program last: without anything to do they are well again after a time.
    await eventually('healthy once the last was replaced', async () => assert.equal((await keeper.health()).code, 200));
    await keeper.stop();
    assert.deepEqual(alive('bad'), []);
  });

  test('a program that dies at once is started more and more seldom', async () => {
    await subscribe('loop');
    await publishAll('loop', numbered(3));
    const keeper = new Keeper('loop', [], ['sh', '-c', 'echo x >> loop.starts; exit 4']);
    await sleep(4_000);
    const starts = readFileSync(path.join(folder, 'loop.starts'), 'utf8').length / 2;
    assert.ok(starts >= 3 && starts <= 7, `${starts} starts in four seconds`);
    assert.equal((await keeper.health()).code, 503, 'and the keeper says that nobody works');
    await keeper.stop();
    const wrong = await run(['work', '--data', server.data, '--subscription', 'loop', '--', 'no-such-program']);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /there is no program 'no-such-program'/);
    const nowhere = await run(['work', '--data', server.data, '--subscription', 'nowhere']);
    assert.match(nowhere.stderr, /there is no subscription 'nowhere'/);
  });

  test('without a program messages reach the tables, also while the server is killed', async () => {
    const data = await temporaryDir();
    let own = await Server.start({ data });
    const post = (i) => own.post('/v1/topics/visits/messages', JSON.stringify({ type: 'page', anonymousId: `v${i}`, timestamp: new Date().toISOString(), properties: { path: '/home' } }));
    await own.fetch('/v1/topics/visits', { method: 'PUT' });
    await own.fetch('/v1/subscriptions/load', { method: 'PUT', body: JSON.stringify({ topic: 'visits', start: 'start' }) });
    for (let i = 0; i < 200; i++) await post(i);
    const keeper = new Keeper('load', ['--data', data, '--codec', 'segment', '--min', '2', '--max', '2'], null);
    await eventually('some loaded', async () => {
      const { counts } = await own.json('/v1/subscriptions/load');
      assert.ok(counts.acked > 20);
    });
    await own.kill();
    own = await Server.start({ data });
    for (let i = 200; i < 300; i++) await post(i);
    await eventually('all loaded', async () => assert.equal((await own.json('/v1/subscriptions/load')).backlog, 0, keeper.out));
    await own.drained();
    assert.deepEqual((await own.sql("SELECT count(*), count(DISTINCT anonymous_id) FROM events WHERE type = 'page_view'"))[0].map(Number), [300, 300]);
    assert.equal((await keeper.health()).replaced, 0, 'a server that goes away is no reason to end');
    assert.deepEqual(await keeper.stop(), [0, null]);
    await own.stop();
    await rm(data, { recursive: true, force: true });
  });

  test('the server feeds the watchdog while it answers', async () => {
    const data = await temporaryDir();
    const systemd = spawn('python3', [fakeSystemd, '3', binary, 'up', '--data', data, '--listen', '127.0.0.1:0'], { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    systemd.stdout.on('data', (d) => (out += d));
    const pid = () => Number(/^start (\d+)$/gm.exec(out)[1]);
    await eventually('ready and fed', () => assert.match(out, /listening on[^]*^READY=1$[^]*^WATCHDOG=1$[^]*^WATCHDOG=1$/m));
    const first = pid();
    process.kill(first, 'SIGSTOP');
    await eventually('started again', () => assert.match(out, new RegExp(`^silent ${first}$[^]*^end ${first} -9$[^]*^start \\d+$[^]*^READY=1$`, 'm')));
    systemd.kill('SIGTERM');
    await once(systemd, 'close');
    assert.match(out, /^STOPPING=1$[^]*^end \d+ 0$/m);
    await rm(data, { recursive: true, force: true });
  });
});
