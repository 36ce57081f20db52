// The same file loaded more than once: whatever happens in between, its rows are in the tables once.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Server, binary, run, temporaryDir } from '../support/millrace.mjs';

let dir;
let project; // it remembers so few ids that those of a file are soon forgotten, as after 24 hours
before(async () => {
  dir = await temporaryDir();
  project = path.join(dir, 'project');
  await mkdir(project);
  await writeFile(path.join(project, 'millrace.yaml'), 'warehouse: {duplicate_ids_max: 1000}\n');
});
after(() => rm(dir, { recursive: true, force: true }));

const mapping = (item) => `source: shop
type: purchase
time: at
group_by: [no]
fields: {user_id: who}
order: {order_id: no}
item: {item_id: code, ${item}}
`;
const rows = ['no,who,code,n,price,at', '1,u1,a,1,2.50,2024-01-01', '1,u1,b,2,1.00,2024-01-01', '2,u2,a,many,2.50,2024-01-02', '3,u3,c,1,9.99,2024-01-03'];

/** What analysts count. */
async function counts(server) {
  const books = await server.drained(120_000);
  assert.equal(books.balanced, true);
  const [[events, lines, revenue, visits, quarantine]] = await server.sql(
    `SELECT (SELECT count(*) FROM events WHERE source = 'shop'), (SELECT count(*) FROM order_lines), (SELECT sum(amount) FROM order_lines),
            (SELECT count(*) FROM visits WHERE source = 'shop'), (SELECT count(*) FROM quarantine)`,
  );
  const [[all]] = await server.sql('SELECT count(*) FROM events');
  assert.equal(books.applied, all, 'the books speak of what is in the table');
  return { events, lines, revenue, visits, quarantine };
}

/** Send so many other events that the ids of a file are forgotten. */
async function forgetIds(server) {
  const page = (n) => ({ type: 'page_view', user_id: 'other', properties: { n } });
  for (let i = 0; i < 3; i++) {
    const sent = await server.post('/v1/events', Array.from({ length: 500 }, (_, n) => page(n)));
    assert.equal((await sent.json()).accepted, 500);
  }
  await server.drained();
  const metrics = await (await server.fetch('/metrics')).text();
  assert.ok(Number(/^millrace_duplicate_ids_forgotten_total\{job="load"\} (\S+)/m.exec(metrics)[1]) > 0);
}

test('--again leaves the counts as they were, also when the ids are long forgotten', async (t) => {
  const data = path.join(dir, 'again');
  const start = () => Server.start({ data, args: ['--project', project] });
  let server = await start();
  t.after(() => server.stop());
  const file = path.join(dir, 'orders.csv');
  const map = path.join(dir, 'orders.yaml');
  await writeFile(file, rows.join('\n') + '\n');
  await writeFile(map, mapping('quantity: n, price: price'));
  const ingest = async (...more) => {
    const done = await run(['ingest', 'csv', '--map', map, file, '--data', data, '--json', ...more]);
    assert.equal(done.code, 0, done.stderr);
    return JSON.parse(done.stdout);
  };
  await ingest();
  const first = await counts(server);
  assert.deepEqual(first, { events: 2, lines: 3, revenue: '14.4900', visits: 2, quarantine: 1 });

  for (const restart of [false, true]) {
    await forgetIds(server);
    if (restart) {
      await server.kill();
      server = await start();
    }
    assert.equal((await ingest()).skipped_files, 1);
    assert.equal((await ingest('--again')).events, 2);
    assert.deepEqual(await counts(server), first);
  }

  // A mended mapping is another way to read the file: what it no longer refuses comes, the rest is replaced.
  await writeFile(map, mapping('price: price'));
  assert.equal((await ingest()).skipped_files, 0);
  assert.deepEqual(await counts(server), { events: 3, lines: 4, revenue: '15.9900', visits: 3, quarantine: 0 });
  await server.stop();
});

test('a load that was killed in the middle is made whole by the next', async (t) => {
  const data = path.join(dir, 'killed');
  const start = () => Server.start({ data, args: ['--project', project] });
  let server = await start();
  t.after(() => server.stop());
  const file = path.join(dir, 'many.csv');
  const map = path.join(dir, 'many.yaml');
  const orders = 60_000;
  const lines = Array.from({ length: orders }, (_, n) => `${n},u${n % 1000},a,${n % 100 === 99 ? 'x' : 1},1.00,2024-01-01`);
  await writeFile(file, [rows[0], ...lines].join('\n') + '\n');
  await writeFile(map, mapping('quantity: n, price: price').replace('group_by: [no]\n', ''));
  const args = ['ingest', 'csv', '--map', map, file, '--data', data, '--json'];

  const broken = spawn(binary, args, { stdio: 'ignore' });
  const ended = new Promise((resolve) => broken.on('close', resolve));
  const logged = async () => (await server.json('/v1/dashboard?window=all')).books.received;
  const end = Date.now() + 60_000;
  while ((await logged()) === 0 && Date.now() < end) await new Promise((r) => setTimeout(r, 2));
  await server.kill();
  assert.notEqual(await ended, 0, 'it was to end in the middle');

  server = await start();
  const before = (await counts(server)).events;
  t.diagnostic(`${before} of ${orders * 0.99} events were loaded before the kill`);
  assert.ok(before > 0);
  const whole = await run(args);
  assert.equal(whole.code, 0, whole.stderr);
  assert.deepEqual(await counts(server), {
    events: orders * 0.99, lines: orders * 0.99, revenue: `${orders * 0.99}.0000`, visits: 1000 - 10, quarantine: orders / 100,
  });
  await server.stop();
});
