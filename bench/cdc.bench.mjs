// A MariaDB server of its own whose changes are followed: how many changes of rows a second Millrace catches up with until they
// can be queried, against `mariadb-binlog` decoding the same logs to /dev/null in the same run; how far it is behind at a steady
// pace; and what memory it takes at the most. Checks the tables against the source. Prints one JSON object a line (bench/run.py).
//
//   node bench/cdc.bench.mjs [--tiny]
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { MariaDb, readerEnv } from '../tests/support/mariadb.mjs';
import { Server, eventually, temporaryDir } from '../tests/support/millrace.mjs';

const tiny = process.argv.includes('--tiny');
const rows = Number(process.env.BENCH_ROWS ?? (tiny ? 6_000 : 600_000));  // inserted, a third of them updated, a third deleted
const rounds = Number(process.env.BENCH_ROUNDS ?? (tiny ? 1 : 3));
const pace = Number(process.env.BENCH_PACE ?? (tiny ? 500 : 5_000));
const seconds = tiny ? 2 : 20;
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const print = (figure) => console.log(JSON.stringify(figure));

function decode(db, log) {
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn('mariadb-binlog', ['--no-defaults', '--read-from-remote-server', `--socket=${db.socket}`, '--user=root', '--base64-output=decode-rows', '--verbose', '--to-last-log', log],
      { stdio: ['ignore', 'ignore', 'inherit'] });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve((performance.now() - began) / 1000) : reject(new Error(`mariadb-binlog ended with ${code}`))));
  });
}

async function peakMegabytes(server) {
  const status = await readFile(`/proc/${server.process.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+)/.exec(status)[1]) / 1024;
}

const db = await MariaDb.start({ options: ['--innodb-buffer-pool-size=256M', '--max-binlog-size=1G'] });
const data = await temporaryDir();
let server;
const start = async () => (server = await Server.start({ data, args: ['--project', project], env: readerEnv }));
const streaming = () => eventually('it follows', async () => {
  const { sources } = await (await server.asAdmin('GET', '/v1/extracts')).json();
  if (sources[0].follow.state !== 'streaming') throw new Error(JSON.stringify(sources[0].follow));
});
const sums = (run) => run('SELECT COUNT(*), SUM(customer), SUM(LENGTH(note)) FROM orders');
await db.sql('CREATE DATABASE bench; USE bench; CREATE TABLE orders (id BIGINT UNSIGNED PRIMARY KEY, customer INT, placed DATETIME(6), status VARCHAR(20), amount DECIMAL(12,2), note VARCHAR(100))');
const project = await db.project('bench', { database: 'bench', follow: true });
try {
  await start();
  await streaming();
  const rates = [];
  const yardsticks = [];
  for (let round = 0; round < rounds; ++round) {
    await server.stop();
    await db.sql('FLUSH BINARY LOGS');
    const [[log]] = await db.rows('SHOW MASTER STATUS');
    const from = round * rows;
    for (let at = 1; at <= rows; at += 1000)
      await db.sql(`INSERT INTO orders SELECT seq, seq % 99991, NOW(6), ELT(1 + seq % 3, 'shipped', 'open', 'returned'), seq % 100000 / 7, CONCAT('order number ', seq, ' of the bench') FROM seq_${from + at}_to_${from + Math.min(rows, at + 999)};
        UPDATE orders SET note = 'sent', amount = amount + 1 WHERE id BETWEEN ${from + at} AND ${from + at + 999} AND id % 3 = 0; DELETE FROM orders WHERE id BETWEEN ${from + at} AND ${from + at + 999} AND id % 3 = 1`, { database: 'bench' });
    const changes = rows + Math.floor((2 * rows) / 3);
    yardsticks.push(changes / (await decode(db, log)));
    const [expected] = await sums((query) => db.rows(query, 'bench'));
    const began = performance.now();  // its start included
    await start();
    await eventually('all has come', async () => {
      const [found] = await server.sql('SELECT count(*), sum(customer)::BIGINT, sum(length(note))::BIGINT FROM bench.orders');
      if (String(found) !== String(expected)) throw new Error(`${found} instead of ${expected}`);
    }, 300_000);
    rates.push(changes / ((performance.now() - began) / 1000));
  }
  const ratio = median(rates) / median(yardsticks);
  print({ name: `changes of rows caught up with, ${rows} inserted, a third updated, a third deleted, until they can be queried`, value: median(rates), unit: 'rows/s',
    yardstick: 'mariadb-binlog', yardstick_value: median(yardsticks), ratio, target: 30_000, pass: tiny || median(rates) >= 30_000 });
  let at = rounds * rows;
  const behind = [];
  const until = performance.now() + seconds * 1000;
  const write = async () => {
    const began = performance.now();
    for (let made = 0; performance.now() < until; made += 100, at += 100) {
      await db.sql(`INSERT INTO orders SELECT seq, 1, NOW(6), 'open', 1, 'steady' FROM seq_${at + 1}_to_${at + 50}; UPDATE orders SET status = 'sent' WHERE id BETWEEN ${at + 1} AND ${at + 50}`, { database: 'bench' });
      const early = (made / pace) * 1000 - (performance.now() - began);
      if (early > 0) await sleep(early);
    }
  };
  const look = async () => {
    await sleep(1000);
    while (performance.now() < until) {
      const [[newest]] = await server.sql("SELECT epoch_ms(max(placed))::BIGINT FROM bench.orders WHERE note = 'steady'");
      behind.push((Date.now() - Number(newest)) / 1000);
      await sleep(100);
    }
  };
  await db.sql("SET GLOBAL time_zone = '+00:00'");
  await Promise.all([write(), look()]);
  print({ name: `behind at ${pace} changes/s, median`, value: median(behind), unit: 's', target: 1, pass: tiny || median(behind) < 1 });
  print({ name: `behind at ${pace} changes/s, at the most`, value: Math.max(...behind), unit: 's' });
  print({ name: 'peak memory of the server', value: await peakMegabytes(server), unit: 'MB' });
} finally {
  await server?.stop();
  await db.stop();
}
