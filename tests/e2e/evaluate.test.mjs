// `millrace evaluate` on plain files: several lengths of lists, how often to train, and the page of it.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { run, temporaryDir } from '../support/millrace.mjs';

let dir, file;

before(async () => {
  dir = await temporaryDir();
  file = path.join(dir, 'clicks & <more>.txt');
  // Sixty people of three tastes meet something every half day for forty days; what a taste is changes on day 25.
  const lines = [];
  for (let half = 0; half < 80; half++)
    for (let person = 0; person < 60; person++) {
      const taste = half < 50 ? person % 3 : 3 + (Math.floor(person / 3) % 3);
      lines.push(`p${person} i${taste * 40 + ((person * 7 + half * (1 + (person % 11))) % 40)} 1 ${1_700_000_000 + half * 43_200 + person}`);
    }
  writeFileSync(file, lines.join('\n') + '\n');
});

after(() => rm(dir, { recursive: true, force: true }));

const evaluate = (...args) => run(['evaluate', '--train', file, '--models', 'item_knn', ...args]);
const report = async (...args) => {
  const done = await evaluate('--json', ...args);
  assert.equal(done.code, 0, done.stderr);
  return JSON.parse(done.stdout);
};

test('the same lists are judged at several lengths', async () => {
  const several = await report('-n', '5,10,20');
  assert.deepEqual([several.n, several.further_n], [5, [10, 20]]);
  for (const [k, n] of [[0, 10], [1, 20]]) {
    const alone = await report('-n', String(n));
    assert.equal(several.models[2].alone.further[k].n, n);
    assert.deepEqual(several.models[2].alone.further[k].ndcg, alone.models[2].alone.all.ndcg);
  }
  const shown = (await evaluate('-n', '5,10,20')).stdout;
  assert.match(shown, /Lists of 5 /);
  assert.match(shown, /recall@10 .*NDCG@10 .*recall@20 .*NDCG@20/);
  const wrong = await evaluate('-n', '5,none');
  assert.equal(wrong.code, 1);
  assert.match(wrong.stderr, /'none' is no length of a list/);
});

test('where tastes change, training often wins', async () => {
  const [walk] = (await report('--retrain', 'never,8d,2d', '--repeats')).retraining;
  assert.equal(walk.periods, 10);
  assert.deepEqual(walk.cadences.map(({ name, trainings }) => [name, trainings]), [['2d', 10], ['8d', 3], ['never', 1]]);
  const [often, , never] = walk.cadences;
  assert.ok(often.with_fallback.mean > never.with_fallback.mean);
  assert.ok(never.against_shortest.high < 0);
  assert.equal(walk.suggested, '2d', walk.why);
  assert.ok(often.lists.jaccard > 0 && often.lists.jaccard <= 1);
  assert.equal(never.lists, null);
  const shown = (await evaluate('--retrain', 'never,8d,2d', '--repeats')).stdout;
  assert.match(shown, /How often to train item_knn/);
  assert.match(shown, /^never .* 0: \+0\.0000 1: /m);
  assert.match(shown, /Suggested: 2d, the shortest that was tried, with 10 trainings/);
});

test('what cannot be walked is said', async () => {
  assert.match((await evaluate('--retrain', 'never,quarterly')).stderr, /less than two periods of the shortest cadence, quarterly/);
  assert.match((await evaluate('--retrain', 'never,often')).stderr, /'often' is no cadence/);
  assert.match((await evaluate('--retrain', 'weekly')).stderr, /at least two cadences/);
  const timeless = await evaluate('--retrain', 'never,daily', '--test', file);
  assert.equal(timeless.code, 2);
});

test('the page is one file that runs nothing', async () => {
  const html = path.join(dir, 'report.html');
  const done = await evaluate('--retrain', 'never,8d,2d', '--repeats', '-n', '5,10', '--html', html);
  assert.equal(done.code, 0, done.stderr);
  const page = readFileSync(html, 'utf8');
  assert.match(page, /<h1>clicks &amp; &lt;more&gt;\.txt<\/h1>/);
  for (const part of ['Verdict', 'NDCG of the first 5', 'By length of the list', 'Whom it serves', 'How often to train item_knn', 'As the model gets old'])
    assert.ok(page.includes(part), part);
  assert.doesNotMatch(page, /<script|https?:|url\(|<link|<img/);
});
