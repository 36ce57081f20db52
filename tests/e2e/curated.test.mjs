// ctest: timeout 120
// Closed hours of the tables land in the lake as Parquet, each row once and each file whole, also when the server
// is killed meanwhile. The files are read here without any part of Millrace or DuckDB.
import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

const settings = 'lake: {interval: 1s, lateness: 1s, curated_interval: 1s}\nlog: {partitions: 2}\n';

/** Reads Thrift's compact protocol, as far as a Parquet footer needs it. */
class Thrift {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  varint() {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.bytes[this.at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  /** One value: numbers as BigInt, lists as arrays, structs as maps of field number to value. */
  value(type) {
    if (type === 1 || type === 2) return type === 1;
    if (type === 3) return this.bytes[this.at++];
    if (type === 4 || type === 5 || type === 6) {
      const raw = this.varint();
      return (raw >> 1n) ^ -(raw & 1n);
    }
    if (type === 8) {
      const size = Number(this.varint());
      this.at += size;
      return this.bytes.subarray(this.at - size, this.at).toString();
    }
    if (type === 9) return this.list();
    if (type === 12) return this.struct();
    throw new Error(`type ${type} of a Thrift value is not expected in a Parquet footer`);
  }

  list() {
    const head = this.bytes[this.at++];
    const size = head >> 4 === 15 ? Number(this.varint()) : head >> 4;
    return Array.from({ length: size }, () => this.value(head & 15));
  }

  struct() {
    const fields = new Map();
    for (let id = 0; ; ) {
      const head = this.bytes[this.at++];
      if (head === 0) return fields;
      id = head >> 4 === 0 ? Number(this.value(4)) : id + (head >> 4);
      fields.set(id, this.value(head & 15));
    }
  }
}

/** Rows and names of columns of a Parquet file, which must be whole. */
async function footerOf(file) {
  const bytes = await readFile(file);
  assert.equal(bytes.subarray(0, 4).toString(), 'PAR1', file);
  assert.equal(bytes.subarray(-4).toString(), 'PAR1', file);
  const size = bytes.readUInt32LE(bytes.length - 8);
  const footer = new Thrift(bytes.subarray(bytes.length - 8 - size, bytes.length - 8)).struct();
  return { rows: Number(footer.get(3)), columns: footer.get(2).slice(1).map((column) => column.get(4)) };
}

async function published(data, table) {
  const dir = path.join(data, 'lake/curated', table);
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((e) => e.isFile()).map((e) => path.join(e.path, e.name)).sort();
  const found = await Promise.all(files.map(async (file) => ({ name: path.relative(dir, file), ...(await footerOf(file)) })));
  return { files: found, rows: found.reduce((sum, file) => sum + file.rows, 0) };
}

let sent = 0;
async function send(server, many) {
  const batch = Array.from({ length: many }, () => {
    const n = sent++;
    const timestamp = `2026-07-01T${String(9 + (n % 3)).padStart(2, '0')}:30:00Z`;
    return { type: 'track', event: 'Order Completed', messageId: `m${n}`, anonymousId: `a${n}`, timestamp,
      properties: { order_id: `o${n}`, products: [{ product_id: 'p1', price: 2 }, { product_id: 'p2', price: 3 }] } };
  });
  const answer = await server.post('/v1/batch', { batch });
  assert.equal(answer.status, 200);
}

test('closed hours land as Parquet once, through kills', async () => {
  const data = await temporaryDir();
  const project = await temporaryDir();
  try {
    await writeFile(path.join(project, 'millrace.yaml'), settings);
    const seen = new Map();
    for (let life = 0; life < 3; life++) {
      const server = await Server.start({ data, args: ['--project', project] });
      const end = Date.now() + 2_000 + 700 * life;
      while (Date.now() < end) {
        await send(server, 10);
        const { files, rows } = await published(data, 'events');
        assert.ok(rows <= sent, `${rows} rows of ${sent} events: one is there twice`);
        for (const file of files) {
          if (seen.has(file.name)) assert.equal(file.rows, seen.get(file.name), `${file.name} changed`);
          seen.set(file.name, file.rows);
        }
        await new Promise((r) => setTimeout(r, 50));
      }
      await server.kill();
      seen.clear(); // what was put but not yet true goes at the next start
      for (const file of (await published(data, 'events')).files) assert.match(file.name, /-0\.parquet$/);
    }
    const server = await Server.start({ data, args: ['--project', project] });
    for (const deadline = Date.now() + 30_000; (await published(data, 'order_lines')).rows < 2 * sent; ) {
      assert.ok(Date.now() < deadline, 'the rows are not published in time');
      await new Promise((r) => setTimeout(r, 100));
    }
    const events = await published(data, 'events');
    const lines = await published(data, 'order_lines');
    assert.equal(events.rows, sent);
    assert.equal(lines.rows, 2 * sent);
    for (const { name } of events.files)
      assert.match(name, /^dt=2026-07-01\/hour=(09|10|11)\/\d{8}T\d{6}Z-0\.parquet$/);
    for (const column of ['event_time', 'message_id', 'order_id', 'log_offset'])
      assert.ok(events.files[0].columns.includes(column), `no column ${column}`);
    const metrics = await (await server.fetch('/metrics')).text();
    assert.match(metrics, /millrace_curated_files_total [1-9]/);
    await server.stop();
  } finally {
    await rm(data, { recursive: true, force: true });
    await rm(project, { recursive: true, force: true });
  }
});
