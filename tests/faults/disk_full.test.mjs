// ctest: timeout 120
// A disk that fills up: collect answers 503, the process lives, and with room again it goes on by itself, with every
// acknowledged event there. Needs a small file system of its own: who may not mount one gets it in a user namespace
// of their own, and where the system forbids that too, the test is skipped.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Server, temporaryDir } from '../support/millrace.mjs';

/** A file system of its own, or null where it may not be mounted. */
async function smallDisk(megabytes) {
  const dir = await temporaryDir();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', dir]);
  if (mounted.status === 0) return dir;
  await rm(dir, { recursive: true });
  return null;
}

const asOwnRoot = ['unshare', '--map-root-user', '--mount'];
const isInner = process.env.MILLRACE_TEST_NAMESPACE === '1';
const disk = await smallDisk(160);
const mayUnshare = !disk && !isInner && spawnSync(asOwnRoot[0], [...asOwnRoot.slice(1), 'true']).status === 0;
const skip = disk || mayUnshare ? false : 'neither mounting a small file system nor a user namespace is allowed here';

/** The whole file again, with a user namespace around it. */
function inNamespace() {
  // Without node's mark of a test inside a test, which would change what it prints.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const inner = spawnSync(asOwnRoot[0], [...asOwnRoot.slice(1), process.execPath, fileURLToPath(import.meta.url)], {
    env: { ...env, MILLRACE_TEST_NAMESPACE: '1' },
    encoding: 'utf8',
  });
  assert.equal(inner.status, 0, inner.stdout + inner.stderr);
  assert.match(inner.stdout, /pass 1$/m, inner.stdout);
}

async function fillTheDisk() {
  try {
    const server = await Server.start({ data: path.join(disk, 'data') });
    const acknowledged = [];
    let n = 0;
    const send = async () => {
      const batch = [];
      for (let i = 0; i < 20; i++) batch.push({ type: 'track', event: 'Product Viewed', messageId: `d-${n}-${i}`, anonymousId: `a${i}`, properties: { product_id: 'p', filler: 'x'.repeat(1000) } });
      n++;
      const answer = await server.post('/v1/batch', { batch });
      if (answer.status === 200) acknowledged.push(...batch.map((e) => e.messageId));
      return answer;
    };
    assert.equal((await send()).status, 200);

    const { bavail, bsize } = await statfs(disk);
    await writeFile(path.join(disk, 'filler'), Buffer.alloc(Math.max(0, bavail * bsize - 2 * 2 ** 20), 1));
    let refused = null;
    for (let i = 0; i < 4_000 && !refused; i++) {
      const answer = await send();
      if (answer.status !== 200) refused = answer;
    }
    assert.ok(refused, 'the disk never got full');
    assert.equal(refused.status, 503);
    assert.ok(refused.headers.get('retry-after'));
    assert.equal((await refused.json()).code, 'no_space');
    assert.equal((await server.fetch('/healthz')).status, 200);
    assert.equal((await server.fetch('/v1/recommendations?n=3')).status, 200, 'there is always an answer');

    await rm(path.join(disk, 'filler'));
    const end = Date.now() + 20_000;
    let status = 0;
    while (status !== 200 && Date.now() < end) {
      status = (await send()).status;
      if (status !== 200) await new Promise((r) => setTimeout(r, 100));
    }
    assert.equal(status, 200, 'it did not recover by itself');
    const books = await server.drained(30_000);
    assert.equal(books.balanced, true, JSON.stringify(books));
    const [[rows, ids]] = await server.sql('SELECT count(*), count(DISTINCT message_id) FROM events');
    assert.equal(rows, ids);
    assert.ok(rows >= acknowledged.length, `${rows} rows of ${acknowledged.length} acknowledged`);
    await server.stop();
  } finally {
    execFileSync('umount', ['-l', disk]);
    await rm(disk, { recursive: true, force: true });
  }
}

test('a full disk is 503, and room makes it go on', { skip }, mayUnshare ? inNamespace : fillTheDisk);
