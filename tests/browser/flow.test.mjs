// The page Flow: the picture of what runs, live; trouble in sight; the log and a record's way (E16).
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';
import { assertSound, Browser, eventually, noBrowser, picture, seeAll, sizes } from './browser.mjs';

const options = { skip: noBrowser };
let browser;
before(async () => {
  if (!noBrowser) browser = await Browser.start();
});
afterEach(() => browser?.closePages());
after(() => browser?.close());

const panel = (page, title) =>
  page.locator('section', { has: page.getByRole('heading', { name: title, exact: true }) });
const textOf = (page, id) => page.getByTestId(id).first().innerText();
let sent = 0;
const pageView = () => ({
  type: 'page',
  messageId: `page-${++sent}`,
  anonymousId: `a${sent % 9}`,
  timestamp: new Date().toISOString(),
  properties: { path: '/garden' },
});

describe('a server in trouble', options, () => {
  let server;
  let broken;
  before(async () => {
    broken = createServer((_, response) => response.writeHead(500).end());
    await new Promise((resolve) => broken.listen(0, '127.0.0.1', resolve));
    const hook = `http://127.0.0.1:${broken.address().port}/hook`;
    const project = await temporaryDir();
    await writeFile(path.join(project, 'millrace.yaml'), `subscriptions:\n  push_targets: [${hook}]\n`);
    server = await Server.start({ args: ['--project', project] });
    await server.fetch('/v1/topics/clicks', { method: 'PUT' });
    const put = (name, settings) =>
      server.fetch(`/v1/subscriptions/${name}`, {
        method: 'PUT',
        body: JSON.stringify({ topic: 'clicks', ...settings }),
        headers: { 'content-type': 'application/json' },
      });
    for (const [name, settings] of [
      ['billing', { push: { url: hook } }],
      ['readers', {}],
    ]) {
      const answer = await put(name, settings);
      assert.ok(answer.ok, await answer.text());
    }
    await server.post('/v1/topics/clicks/messages', '{"page":"/home"}');
    const batch = Array.from({ length: 40 }, pageView);
    batch.push({ type: 'track', messageId: 'bad-1', anonymousId: 'a1', properties: {} });
    batch.push({ ...pageView(), timestamp: 'yesterday', messageId: 'bad-2' });
    assert.equal((await server.post('/v1/batch', { batch })).status, 200);
    await server.drained();
  });
  after(async () => {
    await server?.stop();
    broken?.close();
  });

  test('draws what runs, with a rate on every arrow', async () => {
    const page = await browser.open(`${server.url}/flow`);
    await page.getByTestId('picture').waitFor();
    for (const job of ['load', 'archive', 'recommend', 'subscriptions']) await page.getByTestId(`job-${job}`).waitFor();
    await eventually(async () => assert.equal(await textOf(page, 'logged'), String(sent - 1)));
    assert.equal(await textOf(page, 'quarantined'), '2');
    const batch = Array.from({ length: 200 }, pageView);
    await server.post('/v1/batch', { batch });
    await eventually(async () => assert.notEqual(await textOf(page, 'rate-http'), '0/s'));
    await eventually(async () => assert.notEqual(await textOf(page, 'rate-load'), '0/s'));
    await panel(page, 'The flow')
      .getByRole('button', { name: /as a table/ })
      .click();
    await panel(page, 'The flow')
      .getByRole('row', { name: /Event log, load/ })
      .waitFor();
  });

  test('says who is in trouble', async () => {
    const page = await browser.open(`${server.url}/flow`);
    const billing = page.getByTestId('subscription-billing');
    await billing.getByText(/endpoint fails: .*500/).waitFor();
    await page.getByTestId('subscription-readers').getByText('pull of clicks').waitFor();
    await eventually(async () => assert.equal(await textOf(page, 'verdict'), 'Look at subscriptions'));
    assert.match(await textOf(page, 'health-subscriptions'), /billing: endpoint fails/);
  });

  test('shows what was refused, with its bytes, and its lines in the log', async () => {
    const page = await browser.open(`${server.url}/flow`);
    const refusal = panel(page, 'Quarantine').getByRole('button').first();
    await refusal.focus();
    await page.keyboard.press('Enter');
    const record = panel(page, 'Quarantine').getByTestId('record');
    await record.getByText(/"messageId": "bad-\d"/).waitFor();
    await record.getByRole('button', { name: 'Its lines in the log' }).click();
    const log = panel(page, 'Log');
    await eventually(async () => assert.equal(await log.getByRole('listitem').count(), 1));
    await log.getByText(/refused an event/).waitFor();
    await log.getByText(/It is in quarantine/).waitFor();
  });

  test('finds an event by its message id and says what became of it', async () => {
    const page = await browser.open(`${server.url}/flow`);
    const log = panel(page, 'Log');
    await log.getByRole('textbox').fill('page-1');
    await log.getByRole('button', { name: /^events:0:\d+ · page_view/ }).click();
    await panel(page, 'Log')
      .getByText(/It is in the tables/)
      .waitFor();
  });

  test('filters the log and follows it', async () => {
    const page = await browser.open(`${server.url}/flow`);
    const log = panel(page, 'Log');
    await log.getByText(/started/).waitFor();
    await log.getByRole('combobox', { name: 'Component' }).selectOption('collect');
    await eventually(async () => assert.equal(await log.getByText(/started/).count(), 0));
    await server.post('/v1/batch', {
      batch: [{ type: 'track', messageId: 'live-1', anonymousId: 'a', properties: {} }],
    });
    await log.getByText('live-1').waitFor();
    await log.getByRole('button', { name: 'Pause' }).click();
    await log.getByRole('button', { name: 'Follow' }).waitFor();
    await log.getByRole('radiogroup', { name: 'Level' }).getByText('Errors').click();
    await log.getByText('No line says so.').waitFor();
  });

  for (const [sizeName, size] of Object.entries(sizes)) {
    for (const scheme of ['light', 'dark']) {
      test(`is sound at ${size.width} px, ${scheme}`, async () => {
        const page = await browser.open(`${server.url}/flow`, { size, scheme });
        await page.getByTestId('subscription-billing').waitFor();
        await panel(page, 'Log').getByRole('listitem').first().waitFor();
        await panel(page, 'Quarantine').getByRole('button').first().click();
        await page.getByTestId('record').waitFor();
        await seeAll(page);
        await picture(page, `flow-${sizeName}-${scheme}`);
        await assertSound(page, `${sizeName} ${scheme}`);
      });
    }
  }

  test('says that the figures are old when the server is gone', async () => {
    const page = await browser.open(`${server.url}/flow`);
    await page.getByTestId('picture').waitFor();
    await server.kill();
    await page.getByTestId('link-lost').waitFor();
  });
});
