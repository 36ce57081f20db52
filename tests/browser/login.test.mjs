// A server with a token, in a real browser: nothing is shown before the token, everything after it.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';
import { Browser, eventually, noBrowser, picture, sizes } from './browser.mjs';

const token = 's3same+/=&;%"<';
const withToken = { authorization: `Bearer ${token}` };

describe('a server with a token', { skip: noBrowser }, () => {
  let browser;
  let project;
  let server;
  before(async () => {
    browser = await Browser.start();
    project = await temporaryDir();
    await writeFile(path.join(project, 'millrace.yaml'), `auth:\n  token: '${token}'\n`);
    server = await Server.start({ data: path.join(project, 'data'), args: ['--project', project] });
    const put = await server.fetch('/v1/items', {
      method: 'PUT',
      headers: withToken,
      body: JSON.stringify([{ id: 'i1', name: 'Plain Rake', category: 'Garden' }]),
    });
    assert.equal(put.status, 200);
    await eventually(async () => {
      const catalogue = await server.fetch('/v1/items?n=10', { headers: withToken });
      assert.equal((await catalogue.json()).items.length, 1);
    });
    const view = { type: 'track', event: 'Product Viewed', anonymousId: 'a', properties: { product_id: 'i1' } };
    assert.equal((await server.post('/v1/batch', { batch: [view] }, withToken)).status, 200);
  });
  afterEach(() => browser?.closePages());
  after(async () => {
    await server?.stop();
    await browser?.close();
    if (project) await rm(project, { recursive: true, force: true });
  });

  const field = (page) => page.getByLabel('This server asks for its token');
  const give = async (page, text) => {
    await field(page).fill(text);
    await page.getByRole('button', { name: 'Open' }).click();
  };

  test('asks for it, says when it is wrong, and leads to the page that was wanted', async () => {
    const page = await browser.open(`${server.url}/shop`);
    await field(page).waitFor();
    await give(page, 'wrong');
    await page.getByText('That is not it.').waitFor();
    assert.deepEqual(await page.context().cookies(), []);
    await give(page, token);
    await page.getByTestId('shelf').getByText('Plain Rake').waitFor();
    assert.equal(page.url(), `${server.url}/shop`);
    page.complaints = []; // of the refusals before
    await page.goto(server.url);
    await page.getByTestId('balance').waitFor();
    await eventually(async () => assert.notEqual(await page.getByTestId('books-received').first().innerText(), '0'));
    await page.reload();
    await page.getByTestId('balance').waitFor();
    assert.deepEqual(page.complaints, []);
    const [cookie] = await page.context().cookies();
    assert.deepEqual([cookie.httpOnly, cookie.sameSite], [true, 'Lax']);
  });

  test('takes it from the address, and goes nowhere else', async () => {
    const query = `token=${encodeURIComponent(token)}`;
    const page = await browser.open(`${server.url}/login?${query}`);
    await page.getByTestId('balance').waitFor();
    assert.equal(page.url(), `${server.url}/`);
    for (const next of ['//evil.example/', 'https://evil.example/', '/\\evil.example']) {
      const answer = await server.fetch(`/login?${query}&next=${encodeURIComponent(next)}`, { redirect: 'manual' });
      assert.deepEqual([answer.status, answer.headers.get('location')], [303, '/'], next);
    }
    const wrong = await browser.open(`${server.url}/login?token=wrong&next=/shop%22%3E%3Cscript%3E`);
    await wrong.getByText('That is not it.').waitFor();
    assert.equal(await wrong.locator('input[name=next]').inputValue(), '/shop"><script>');
  });

  test('is not led astray by an old token that the page remembers', async () => {
    const page = await browser.open(`${server.url}/login?token=${encodeURIComponent(token)}`);
    await page.getByTestId('balance').waitFor();
    await page.evaluate(() => localStorage.setItem('millrace-token', 'of-last-year'));
    await page.reload();
    await page.getByTestId('balance').waitFor();
  });

  test('keeps its answers, not its files, from who has no token', async () => {
    const status = async (route) => (await server.fetch(route, { redirect: 'manual' })).status;
    for (const route of ['/v1/dashboard', '/v1/items', '/metrics', '/v1/recommendations'])
      assert.equal(await status(route), 401, route);
    for (const route of ['/', '/shop', '/shop/item/i1']) assert.equal(await status(route), 303, route);
    for (const route of ['/healthz', '/logo.svg', '/login']) assert.equal(await status(route), 200, route);
  });

  for (const [name, size] of Object.entries(sizes)) {
    for (const scheme of ['light', 'dark']) {
      test(`has a form for every window, ${size.width} px, ${scheme}`, async () => {
        const page = await browser.open(server.url, { size, scheme });
        await field(page).waitFor();
        await page.keyboard.type(token);
        assert.equal(await field(page).inputValue(), token, 'one can begin to type at once');
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'wider than the window');
        assert.deepEqual(page.complaints, []);
        await picture(page, `login-${name}-${scheme}`);
      });
    }
  }
});
