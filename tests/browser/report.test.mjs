// The page of an evaluation: sound in every size and light.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { run, temporaryDir } from '../support/millrace.mjs';
import { assertSound, Browser, noBrowser, picture, sizes } from './browser.mjs';

let dir, browser, url;

before(async () => {
  if (noBrowser) return;
  dir = await temporaryDir();
  const file = path.join(dir, 'clicks.txt');
  const lines = [];
  for (let half = 0; half < 80; half++)
    for (let person = 0; person < 60; person++) {
      const taste = half < 50 ? person % 3 : 3 + (Math.floor(person / 3) % 3);
      lines.push(`p${person} i${taste * 40 + ((person * 7 + half * (1 + (person % 11))) % 40)} 1 ${1_700_000_000 + half * 43_200 + person}`);
    }
  writeFileSync(file, lines.join('\n') + '\n');
  const html = path.join(dir, 'report.html');
  const args = ['--models', 'item_knn,als', '--factors', '8', '-n', '5,10,20', '--repeats', '--retrain', 'never,8d,2d', '--html', html];
  const done = await run(['evaluate', '--train', file, ...args]);
  assert.equal(done.code, 0, done.stderr);
  url = pathToFileURL(html).href;
  browser = await Browser.start();
});

after(async () => {
  await browser?.close();
  if (dir) await rm(dir, { recursive: true, force: true });
});

test('the report is sound in every size and light', { skip: noBrowser }, async () => {
  for (const [name, size] of Object.entries(sizes))
    for (const scheme of ['light', 'dark']) {
      const page = await browser.open(url, { size, scheme });
      for (const details of await page.locator('summary').all()) await details.click();
      await assertSound(page, `report, ${name}, ${scheme}`);
      await picture(page, `report-${name}-${scheme}`);
      assert.ok((await page.locator('svg circle').count()) > 20);
      await browser.closePages();
    }
});
