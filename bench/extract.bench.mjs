// A table of a MariaDB server of its own: how fast `millrace extract` makes its rows durable in the log, against
// `mariadb-dump` of the same table to /dev/null in the same run; when they can be queried; and what memory the
// server takes at the most, loading included. Prints one JSON object a line (bench/run.py).
//
//   node bench/extract.bench.mjs [--tiny]
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { MariaDb, readerEnv } from '../tests/support/mariadb.mjs';
import { Server } from '../tests/support/millrace.mjs';

const tiny = process.argv.includes('--tiny');
const rows = Number(process.env.BENCH_ROWS ?? (tiny ? 20_000 : 10_000_000));
const rounds = Number(process.env.BENCH_ROUNDS ?? (tiny ? 1 : 3));
const median = (values) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)];
const print = (figure) => console.log(JSON.stringify(figure));

function dump(db) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn('mariadb-dump', ['--no-defaults', `--socket=${db.socket}`, '--user=root', '--single-transaction', '--quick', 'bench', 'orders'],
      { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve((performance.now() - began) / 1000) : reject(new Error(`mariadb-dump ended with ${code}`))));
  });
}

/** Seconds until the rows were durable, and until they could be queried. */
async function extract(server) {
  const { token } = JSON.parse(await readFile(`${server.data}/server.json`, 'utf8'));
  const began = performance.now();
  const answer = await fetch(`${server.url}/v1/extracts`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{"source":"bench","restart":true}' });
  let durable = 0;
  let text = '';
  for await (const piece of answer.body.pipeThrough(new TextDecoderStream())) {
    text += piece;
    if (!durable && text.includes('"loading":true')) durable = (performance.now() - began) / 1000;
  }
  const last = JSON.parse(text.trim().split('\n').at(-1));
  if (last.result?.rows !== rows) throw new Error(JSON.stringify(last));
  return [durable, (performance.now() - began) / 1000, last.result.bytes];
}

async function peakMegabytes(server) {
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024;
}

const db = await MariaDb.start({ options: ['--innodb-buffer-pool-size=256M', '--skip-log-bin'] });
let server;
try {
  await db.sql(`CREATE DATABASE bench; USE bench; CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, customer INT, placed DATETIME, status VARCHAR(20), amount DECIMAL(12,2), note VARCHAR(100));
    INSERT INTO orders SELECT seq, seq % 99991, '2020-01-01' + INTERVAL seq SECOND, ELT(1 + seq % 3, 'shipped', 'open', 'returned'), seq % 100000 / 7, CONCAT('order number ', seq, ' of the bench') FROM seq_1_to_${rows}`);
  server = await Server.start({ args: ['--project', await db.project('bench', { database: 'bench' })], env: readerEnv });
  await dump(db);  // both find the pages as warm as they get
  const dumps = [];
  const durable = [];
  const queryable = [];
  for (let round = 0; round < rounds; ++round) {
    dumps.push(await dump(db));
    const [d, q] = await extract(server);
    durable.push(d);
    queryable.push(q);
  }
  const [[count, sum]] = await server.sql('SELECT count(*), sum(customer)::BIGINT FROM bench.orders');
  const [[expected]] = await db.rows('SELECT SUM(customer) FROM orders', 'bench');
  if (count !== rows || String(sum) !== expected) throw new Error(`wrong rows: ${count} ${sum} ${expected}`);
  const yardstick = rows / median(dumps);
  const rate = rows / median(durable);
  print({ name: `extraction of ${rows} rows, durable in the log`, value: rate, unit: 'rows/s', yardstick: 'mariadb-dump', yardstick_value: yardstick,
    ratio: rate / yardstick, target: 0.7, pass: rate / yardstick >= 0.7 });
  print({ name: 'until they can be queried', value: rows / median(queryable), unit: 'rows/s' });
  print({ name: 'peak memory of the server, loading included', value: await peakMegabytes(server), unit: 'MB' });
} finally {
  await server?.stop();
  await db.stop();
}
