// The commands that README.md and the how-to pages promise, run as they stand there: each block of shell that is marked
// `<!-- test: NAME -->`, against a server of its own for each NAME. Only the address, the binary's path and
// the data directory are replaced.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Server, binary, root } from '../support/millrace.mjs';

const howTo = path.join(root, 'docs/how-to');
const pages = [path.join(root, 'README.md'), ...readdirSync(howTo).filter((f) => f.endsWith('.md')).map((f) => path.join(howTo, f))];

/** The marked blocks of a page by name, in order. */
function blocksOf(page) {
  const blocks = new Map();
  const marked = /<!-- test: ([\w-]+) -->\s*```sh\n([\s\S]*?)```/g;
  for (const [, name, text] of readFileSync(page, 'utf8').matchAll(marked)) blocks.set(name, (blocks.get(name) ?? '') + text);
  return blocks;
}

/** Run shell text as a reader would; returns its output. */
function sh(text, server) {
  const command = text
    .replaceAll('127.0.0.1:8080', new URL(server.url).host)
    .replaceAll(/(build\/release\/)?millrace (?=[a-z])/g, `${binary} `)
    .replaceAll(new RegExp(`${binary} (recommend|sql|ingest)`, 'g'), `$& --data ${server.data}`);
  const done = spawnSync('bash', ['-euo', 'pipefail', '-c', command], { cwd: root, encoding: 'utf8', timeout: 120_000 });
  assert.equal(done.status, 0, `${command}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

for (const page of pages) {
  for (const [name, text] of blocksOf(page)) {
    test(`${path.relative(root, page)}: ${name}`, async () => {
      const server = await Server.start();
      try {
        const output = sh(text, server);
        assert.doesNotMatch(output, /"message":/, output);
        if (name === 'first-steps') {
          assert.match(output, /"success":true,"accepted":3,"quarantined":0/);
          assert.match(output, /"id":"pot"/);
        }
        const books = await server.drained();
        assert.equal(books.balanced, true);
      } finally {
        await server.stop();
      }
    });
  }
}

test('the README has tested commands', () => {
  assert.ok(blocksOf(pages[0]).get('first-steps')?.includes('curl'));
});
