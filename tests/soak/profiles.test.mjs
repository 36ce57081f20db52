// ctest: soak
// ctest: serial
// ctest: timeout 7200
// Memory while far more people than the limit come by, as fast as the server takes their events: after the first third what
// the server holds stays flat. It takes more for moments, while it loads tables and writes files; what it holds is the least
// resident memory of each stretch of 10 seconds. PROFILE_MINUTES is how long (3 unless said).
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

const minutes = Number(process.env.PROFILE_MINUTES ?? 3);
const limit = 20_000;
const people = 1_000_000;
const perRequest = 500;
const senders = 3;

/** Everybody comes round again, with an id of a browser that has signed in every fourth time. */
function batch(number) {
  const events = [];
  for (let i = 0; i < perRequest; i++) {
    const n = number * perRequest + i;
    const person = (n * 7919) % people;
    const who = n % 4 ? { anonymousId: `a${person}` } : { anonymousId: `a${person}`, userId: `u${person}` };
    const event = n % 8 ? 'Product Viewed' : 'Product Added';
    events.push({ type: 'track', event, messageId: `m${n}`, ...who, properties: { product_id: `p${(n * 31) % 15_000}` } });
  }
  return { batch: events };
}

const residentMb = async (pid) => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Slope of a straight line through [x, y] by least squares. */
function slope(points) {
  const mean = (k) => points.reduce((sum, p) => sum + p[k], 0) / points.length;
  const [x0, y0] = [mean(0), mean(1)];
  return points.reduce((s, [x, y]) => s + (x - x0) * (y - y0), 0) / points.reduce((s, [x]) => s + (x - x0) ** 2, 0);
}

/** The lowest y of each stretch of so many x, [the stretch's end, y]. */
function lowest(points, stretch) {
  const lows = new Map();
  for (const [x, y] of points) {
    const end = (Math.floor(x / stretch) + 1) * stretch;
    lows.set(end, Math.min(y, lows.get(end) ?? Infinity));
  }
  return [...lows];
}

async function entries(server, kind) {
  const text = await (await server.fetch('/metrics')).text();
  return Number(new RegExp(`millrace_recommend_entries\\{kind="${kind}"\\} (\\d+)`).exec(text)[1]);
}

test(`memory stays flat for ${minutes} minutes of ${people} people where ${limit} are remembered`, async () => {
  const project = await temporaryDir();
  const config = path.join(project, 'millrace.yaml');
  // What else grows with events, up to limits that a few minutes do not reach, is kept small or left out: DuckDB's cache, the
  // ids by which the tables know repeats, files of the lake. The memory is saved often, since that is part of it.
  await writeFile(config, `warehouse: {memory: 128MB, duplicate_ids_max: 200000}
lake: {archive: false, curated: false}
recommend: {snapshot_interval: 20s, limits: {profiles: ${limit}, items: 10000}}
`);
  const server = await Server.start({ args: ['--project', project] });
  const points = [];
  let number = 0;
  let events = 0;
  const began = Date.now();
  const over = () => Date.now() - began > minutes * 60_000;
  const send = async () => {
    while (!over()) {
      const answer = await server.post('/v1/batch', batch(number++));
      await answer.arrayBuffer();
      if (answer.status === 200) events += perRequest;
      else await new Promise((r) => setTimeout(r, 100)); // it is asked to slow down
    }
  };
  const watch = async () => {
    for (; !over(); await new Promise((r) => setTimeout(r, 500)))
      points.push([(Date.now() - began) / 60_000, await residentMb(server.process.pid)]);
  };
  await Promise.all([watch(), ...Array.from({ length: senders }, send)]);
  const held = lowest(points.filter(([at]) => at > minutes / 3), 1 / 6);
  const grows = slope(held);
  const most = Math.max(...points.map((p) => p[1]));
  const [profiles, items] = [await entries(server, 'profiles'), await entries(server, 'items')];
  console.log(`${events} events in ${minutes} min; ${profiles} profiles, ${items} items; resident at most ${most.toFixed(0)} MB; ` +
    `what is held grows by ${grows.toFixed(2)} MB a minute after the first third`);
  for (let t = 0; t < 6; t++) {
    const part = points.filter(([at]) => at >= (t * minutes) / 6 && at < ((t + 1) * minutes) / 6).map((p) => p[1]);
    console.log(`  part ${t + 1} of 6: ${Math.min(...part).toFixed(0)} to ${Math.max(...part).toFixed(0)} MB`);
  }
  assert.equal(profiles, limit);
  const copies = [...server.stderr.matchAll(/memory saved.*copy_ms=(\d+)/g)].map((m) => Number(m[1]));
  console.log(`  saved ${copies.length} times; the copies took ${copies.join(', ')} ms`);
  assert.ok(copies.length > 0);
  await server.stop();
  const mean = held.reduce((sum, p) => sum + p[1], 0) / held.length;
  assert.ok(grows * minutes < mean * 0.15, `it grew by ${grows} MB a minute`);
});
