// The notebooks of examples/notebooks, run from top to bottom without a browser against a server with a small shop.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { root, Server, temporaryDir } from '../support/millrace.mjs';

const folder = path.join(root, 'examples/notebooks');
const python = '/usr/bin/python3'; // Debian's, whose packages scripts/setup.sh installs
const execute = `
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=120, kernel_name='python3').execute()
for cell in notebook.cells:
    for output in cell.get('outputs', []):
        print(output.get('text') or output.get('data', {}).get('text/plain', ''))
`;

/** Run a notebook; resolves to what its cells showed. */
function runNotebook(file, env) {
  return new Promise((resolve) => {
    const child = spawn(python, ['-c', execute, file], { env: { ...process.env, PATH: `/usr/bin:${process.env.PATH}`, ...env } });
    let output = '';
    child.stdout.on('data', (d) => (output += d));
    child.stderr.on('data', (d) => (output += d));
    child.on('close', (code) => resolve({ code, output }));
  });
}

test('the notebook of a shop: discover, query, features, training set, parity', async (t) => {
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  for (const name of ['features', 'training_sets']) cpSync(path.join(root, 'examples/shop', name), path.join(project, name), { recursive: true });
  const server = await Server.start({ args: ['--project', project] });
  t.after(() => server.stop());
  const begin = Date.now() - 20 * 86_400_000;
  const batch = [];
  for (let i = 0; i < 300; i++) {
    const timestamp = new Date(begin + i * 3_600_000).toISOString();
    const product = `p${(i * 7) % 20}`;
    batch.push({ type: 'track', event: 'Product Viewed', messageId: `v${i}`, userId: `u${i % 11}`, timestamp, properties: { product_id: product, category: `C${i % 3}/D` } });
    if (i % 3 === 0) batch.push({ type: 'track', event: 'Order Completed', messageId: `o${i}`, userId: `u${i % 11}`, timestamp, properties: { order_id: `o${i}`, currency: 'CHF', products: [{ product_id: product, price: 5 + (i % 9), quantity: 1 }] } });
  }
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
  await server.drained();
  const { code, output } = await runNotebook(path.join(folder, 'shop.ipynb'), { MILLRACE_URL: server.url });
  assert.equal(code, 0, output);
  assert.match(output, /next_purchase@[0-9a-f]{16}: 100 rows, 20 of them to test/);
  assert.match(output, /buyer_orders:spent_30d/);
});

test('notebooks are kept without what they showed', () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ipynb')))
    for (const cell of JSON.parse(readFileSync(path.join(folder, file), 'utf8')).cells) assert.deepEqual(cell.outputs ?? [], [], file);
});
