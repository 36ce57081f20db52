// The commands that README.md and the how-to pages promise, run as they stand there: each block of shell that is marked
// `<!-- test: NAME -->`, against a server of its own for each NAME. Only the address, the binary's path and
// the data directory are replaced. A block of YAML or SQL marked `<!-- project: PATH -->` is that file of the server's project.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { Server, binary, root, temporaryDir } from '../support/millrace.mjs';

const howTo = path.join(root, 'docs/how-to');
const pages = [path.join(root, 'README.md'), ...readdirSync(howTo).filter((f) => f.endsWith('.md')).map((f) => path.join(howTo, f))];

/** The marked blocks of a page by name, in order. */
function blocksOf(page) {
  const blocks = new Map();
  const marked = /<!-- test: ([\w-]+) -->\s*```sh\n([\s\S]*?)```/g;
  for (const [, name, text] of readFileSync(page, 'utf8').matchAll(marked)) blocks.set(name, (blocks.get(name) ?? '') + text);
  return blocks;
}

/** Write the marked files of a page into a project; returns its folder, or nothing when the page has none. */
async function projectOf(page) {
  const marked = [...readFileSync(page, 'utf8').matchAll(/<!-- project: ([\w./-]+) -->\s*```(?:yaml|sql)\n([\s\S]*?)```/g)];
  if (marked.length === 0) return undefined;
  const project = await temporaryDir();
  writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
  for (const [, name, text] of marked) {
    mkdirSync(path.join(project, path.dirname(name)), { recursive: true });
    writeFileSync(path.join(project, name), text);
  }
  return project;
}

/** Run shell text as a reader would; returns its output. */
function sh(text, server) {
  const command = text
    .replaceAll('127.0.0.1:8080', new URL(server.url).host)
    .replaceAll(/(build\/release\/)?millrace (?=[a-z])/g, `${binary} `)
    .replaceAll(new RegExp(`${binary} (recommend|sql|ingest|replay|run|quarantine (list|show|replay|drop|reopen)|training-set (build|list)|features (list|get|parity)|train|tune|pipeline (show|train|fixed)|deploy|model (list|show|rollback|import|export|drift)|vectors (import|export|query|list|drop))`, 'g'), `$& --data ${server.data}`);
  const done = spawnSync('bash', ['-euo', 'pipefail', '-c', command], { cwd: root, encoding: 'utf8', timeout: 120_000 });
  assert.equal(done.status, 0, `${command}\n${done.stdout}${done.stderr}`);
  return done.stdout;
}

for (const page of pages) {
  for (const [name, text] of blocksOf(page)) {
    test(`${path.relative(root, page)}: ${name}`, async () => {
      const project = await projectOf(page);
      const before = new Set(readdirSync(root));
      const server = await Server.start({ args: project ? ['--project', project] : [] });
      try {
        const output = sh(text, server);
        assert.doesNotMatch(output, /"message":/, output);
        if (name === 'first-steps') {
          assert.match(output, /"success":true,"accepted":3,"quarantined":0/);
          assert.match(output, /"id":"pot"/);
        }
        if (name === 'transforms') assert.match(output, /rose\s+1/);
        if (name === 'models') {
          assert.match(output, /for_you@1: 240 interactions of 60 people/);
          assert.match(output, /deployed, as the first/);
          assert.match(output, /"items":\[\{"id":"i/);
          assert.match(output, /for_you@1: too little to say: 0 rows/);
          assert.match(output, /"verdict":"too_little"/);
        }
        if (name === 'evaluate') assert.match(output, /ease with its fallback is better than popularity_recent/);
        if (name === 'vectors') assert.match(output, /^items +4 vectors[\s\S]*^spade +0\.74$[\s\S]*"id":"pot","score":0\.9/m);
        if (name === 'gorse') assert.match(output, /"RowAffected":2[^]*"RowAffected":1/);
        if (name === 'filters') assert.match(output, /"clause":"colour:red"/);
        if (name === 'streaming') assert.match(output, /^data: \{"session_id":"c",.*"recommended_items":\[\{"id":"S10_1949"[\s\S]*\{"session_id":"a",.*"kind":"activity"[\s\S]*^ *S10_1678 +S10_1949/m);
        if (name === 'aggregations') assert.match(output, /"?value"?.*rose/);
        const books = await server.drained();
        assert.equal(books.balanced, true);
      } finally {
        await server.stop();
        // What the reader's commands wrote where they stood.
        for (const file of readdirSync(root))
          if (!before.has(file) && (/\.(csv|html|txt)$/.test(file) || file === 'towers')) rmSync(path.join(root, file), { recursive: true });
        if (project) rmSync(project, { recursive: true, force: true });
      }
    });
  }
}

test('the README has tested commands', () => {
  assert.ok(blocksOf(pages[0]).get('first-steps')?.includes('curl'));
});
