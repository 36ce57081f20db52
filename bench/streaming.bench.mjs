// Activity events of many sessions at a steady pace, each session with a stream of server-sent events open: the time from an
// event's receipt by the server until its answer has come on the session's stream, and the same from before it was sent; then after
// a kill -9 under that load, once the streams are open again. Everything runs on this machine, the 10,000 clients included. Checks
// that each event is answered once. Prints one JSON object a line (bench/run.py).
//
//   node bench/streaming.bench.mjs [--tiny]
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { Server, eventually, temporaryDir } from '../tests/support/millrace.mjs';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

const tiny = process.argv.includes('--tiny');
const sessions = Number(process.env.BENCH_SESSIONS ?? (tiny ? 200 : 10_000));
const pace = Number(process.env.BENCH_PACE ?? (tiny ? 100 : 1_000));
const seconds = Number(process.env.BENCH_SECONDS ?? (tiny ? 2 : 30));
const products = 1_000;
const print = (figure) => console.log(JSON.stringify(figure));
const nowUs = () => (performance.timeOrigin + performance.now()) * 1000;
const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

let server;
let phase;  // { sent, came, fromReceipt, fromSending }
const sentAt = new Map();  // session → when its last event was sent
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });
const open = new Set();

const beginPhase = () => (phase = { sent: 0, came: 0, fromReceipt: [], fromSending: [] });

function take(text, arrived) {
  const served = Number(/"served_us":(\d+)/.exec(text)[1]);
  const latency = Number(/"latency_us":(\d+)/.exec(text)[1]);
  const session = /"session_id":"([^"]+)"/.exec(text)[1];
  phase.came += 1;
  phase.fromReceipt.push((arrived - (served - latency)) / 1000);
  if (sentAt.has(session)) phase.fromSending.push((arrived - sentAt.get(session)) / 1000);
}

function follow(session) {
  return new Promise((resolve, reject) => {
    const request = http.get(`${server.url}/v1/recommendations/stream?session=${session}`, { agent: false }, (response) => {
      open.add(request);
      let text = '';
      response.setEncoding('latin1').on('data', (chunk) => {
        const arrived = nowUs();
        text += chunk;
        for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2))
          if (text.startsWith('event: recommendation')) take(text.slice(0, end), arrived);
      }).on('error', () => {}).on('close', () => open.delete(request));
      resolve();
    });
    request.on('error', reject);
  });
}

async function followAll() {
  for (let at = 0; at < sessions; at += 200)
    await Promise.all(Array.from({ length: Math.min(200, sessions - at) }, (_, i) => follow(`session-${at + i}`)));
}

function send(number) {
  const session = `session-${number % sessions}`;
  // Ten people in a hundred thousand are the same: each event is of another session, a third anonymous.
  const customer = number % 3 ? { customer_number: (number * 7919) % 100_000 } : {};
  const codes = [0, 1, 2].map((k) => `p${(number * 31 + k * (1 + (number % 5))) % products}`);
  const body = JSON.stringify({ session_id: session, ...customer, city: 'Pasadena', country: 'USA', credit_limit: 59811,
    browse_history: codes.map((product_code, i) => ({ product_code, quantity: '1', in_shopping_cart: i === 0 })) });
  sentAt.set(session, nowUs());
  return new Promise((resolve) => {
    const request = http.request(`${server.url}/v1/activity`, { method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) } }, (response) => {
      response.resume().on('end', () => {
        if (response.statusCode === 200) phase.sent += 1;
        resolve(response.statusCode);
      }).on('error', () => resolve(0));
    });
    request.on('error', () => resolve(0));
    request.end(body);
  });
}

let number = 0;
async function load(durationMs) {
  const began = performance.now();
  const under = [];
  for (let made = 0; ; await sleep(2)) {
    const elapsed = performance.now() - began;
    if (elapsed >= durationMs) break;
    for (; made < (elapsed / 1000) * pace; made++) under.push(send(number++));
  }
  const statuses = await Promise.all(under);
  return statuses.filter((status) => status !== 200).length;
}

function report(what) {
  const sorted = phase.fromReceipt.sort((a, b) => a - b);
  const sending = phase.fromSending.sort((a, b) => a - b);
  const on = `${sessions} sessions, ${pace} events/s, ${what}`;
  print({ name: `event received to answer on the stream, p50, ${on}`, value: quantile(sorted, 0.5), unit: 'ms' });
  print({ name: `event received to answer on the stream, p99, ${on}`, value: quantile(sorted, 0.99), unit: 'ms', target: 50, pass: tiny || quantile(sorted, 0.99) < 50 });
  print({ name: `event received to answer on the stream, longest of ${sorted.length}, ${on}`, value: sorted.at(-1), unit: 'ms', target: 1000, pass: tiny || sorted.at(-1) < 1000 });
  print({ name: `event sent to answer on the stream, p99, ${on}`, value: quantile(sending, 0.99), unit: 'ms' });
}

const data = await temporaryDir();
const project = await temporaryDir();
try {
  await writeFile(path.join(project, 'millrace.yaml'), '{}\n');
  server = await Server.start({ data, args: ['--project', project] });
  beginPhase();
  await followAll();
  await load(tiny ? 500 : 5_000);  // the memory fills
  await eventually('all are answered', () => { if (phase.came < phase.sent) throw new Error(`${phase.came} of ${phase.sent}`); });

  beginPhase();
  const refused = await load(seconds * 1000);
  await eventually('all are answered', () => { if (phase.came < phase.sent) throw new Error(`${phase.came} of ${phase.sent}`); });
  if (refused > 0 || phase.came !== phase.sent) throw new Error(`${refused} refused; ${phase.came} answers to ${phase.sent} events`);
  report('steady');

  // Killed under load; clients come back as fast as they can, events go on once they have.
  beginPhase();
  const dying = load(1_000);
  await sleep(500);
  await server.kill();
  await dying;
  const began = performance.now();
  server = await Server.start({ data, args: ['--project', project], readyMs: 60_000 });
  const startMs = performance.now() - began;
  beginPhase();
  const busy = load(seconds * 500);  // at once: before all streams are open again
  await followAll();
  const openMs = performance.now() - began;
  await busy;
  await eventually('the answers have come', () => { if (phase.came < phase.sent * 0.5) throw new Error(`${phase.came} of ${phase.sent}`); });
  await sleep(1_000);
  report('after kill -9');
  print({ name: `start after kill -9, until it listens`, value: startMs, unit: 'ms' });
  print({ name: `until all ${sessions} streams are open again, under load`, value: openMs, unit: 'ms' });
  await server.drained(120_000);
  const [[events, answers, ids]] = await server.sql(`SELECT (SELECT count(*) FROM events WHERE type = 'activity'),
    (SELECT count(DISTINCT (log_partition, log_offset)) FROM recommendations WHERE kind = 'activity'), (SELECT count(DISTINCT recommendation_id) FROM recommendations WHERE kind = 'activity')`);
  if (Number(events) !== Number(answers) || Number(ids) !== Number(answers)) throw new Error(`${events} events, ${answers} answers, ${ids} ids`);
} finally {
  for (const request of open) request.destroy();
  agent.destroy();
  await server?.stop();
  await rm(data, { recursive: true, force: true });
  await rm(project, { recursive: true, force: true });
}
