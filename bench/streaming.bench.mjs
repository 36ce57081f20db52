// Activity events of many sessions at a steady pace, each session with a stream of server-sent events open: the time from an
// event's receipt by the server until its answer has come on the session's stream, and the same from before it was sent; then after
// a kill -9 under that load, once the streams are open again. Everything runs on this machine, the 10,000 clients included. Checks
// that each event is answered once. Prints one JSON object a line (bench/run.py).
//
//   node bench/streaming.bench.mjs [--tiny]
import { once } from 'node:events';
import net from 'node:net';
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
const open = new Set();  // sockets of streams
let lines = [];  // connections that events are sent on

const beginPhase = () => (phase = { sent: 0, came: 0, fromReceipt: [], fromSending: [] });

function take(text, arrived) {
  const served = Number(/"served_us":(\d+)/.exec(text)[1]);
  const latency = Number(/"latency_us":(\d+)/.exec(text)[1]);
  const session = /"session_id":"([^"]+)"/.exec(text)[1];
  phase.came += 1;
  phase.fromReceipt.push((arrived - (served - latency)) / 1000);
  if (sentAt.has(session)) phase.fromSending.push((arrived - sentAt.get(session)) / 1000);
}

// Sockets and as little as will do on them: the clients take their time from the same processor.
async function connect() {
  const { hostname, port } = new URL(server.url);
  const socket = net.connect(Number(port), hostname).setNoDelay(true).setEncoding('latin1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function follow(session) {
  const socket = await connect();
  open.add(socket);
  let text = '';
  socket.on('close', () => open.delete(socket)).on('data', (chunk) => {
    const arrived = nowUs();
    text = text === '' ? chunk : text + chunk;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2))
      if (text.lastIndexOf('event: recommendation', end) >= 0) take(text.slice(0, end), arrived);
  });
  socket.write(`GET /v1/recommendations/stream?session=${session} HTTP/1.1\r\nHost: ${new URL(server.url).host}\r\n\r\n`);
}

/** Events are sent one after the other on each of these. */
async function openLines() {
  lines = [];
  for (let i = 0; i < 32; i++) {
    const line = { socket: await connect(), waiting: [] };
    let text = '';
    line.socket.on('data', (chunk) => {
      text += chunk;
      for (let end; (end = text.indexOf('\r\n\r\n')) >= 0; ) {
        const length = Number(/content-length: (\d+)/i.exec(text)[1]);
        if (text.length < end + 4 + length) return;
        line.waiting.shift()?.(Number(text.slice(9, 12)));
        text = text.slice(end + 4 + length);
      }
    }).on('close', () => line.waiting.splice(0).forEach((resolve) => resolve(0)));
    lines.push(line);
  }
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
  const { socket, waiting } = lines.reduce((least, line) => (line.waiting.length < least.waiting.length ? line : least));
  if (socket.destroyed) return Promise.resolve(0);
  socket.write(`POST /v1/activity HTTP/1.1\r\nHost: ${new URL(server.url).host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  return new Promise((resolve) => waiting.push((status) => {
    if (status === 200) phase.sent += 1;
    resolve(status);
  }));
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
  await openLines();
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
  await openLines();
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
  for (const socket of [...open, ...lines.map((line) => line.socket)]) socket.destroy();
  await server?.stop();
  await rm(data, { recursive: true, force: true });
  await rm(project, { recursive: true, force: true });
}
