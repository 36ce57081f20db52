// ctest: timeout 240
// The page Recommend: ask for anyone and after any clicks, see why, how it came about, and what is wrong with a filter.
import assert from 'node:assert/strict';
import { after, afterEach, before, describe, test } from 'node:test';
import { Server } from '../support/millrace.mjs';
import { assertSound, Browser, eventually, noBrowser, picture, seeAll, sizes } from './browser.mjs';

const options = { skip: noBrowser };
let browser;
before(async () => {
  if (!noBrowser) browser = await Browser.start();
});
afterEach(() => browser?.closePages());
after(() => browser?.close());

describe('recommend', options, () => {
  let server;
  before(async () => {
    server = await Server.start();
  });
  after(() => server?.stop());

  const names = ['Rustic Rake', 'Plain Pot', 'Bright Bucket', 'Fine Fork', 'Plain Spade', 'Rustic Rope'];
  const open = (route, look) => browser.open(server.url + route, look);
  const answered = (page) => page.getByTestId('answer').locator('[data-item]').first().waitFor();
  const shown = (page) =>
    page
      .getByTestId('answer')
      .locator('[data-item]')
      .evaluateAll((all) => all.map((one) => one.dataset.item));

  test('teaches what to do where there is no catalogue', async () => {
    const page = await open('/recommend');
    await page.getByText('The catalogue is empty').waitFor();
    await assertSound(page, 'empty');
  });

  test('answers anew with each click, with reasons', async () => {
    const items = names.map((name, i) => ({
      id: `p${i}`,
      name,
      category: i % 2 ? 'Garden/Pots' : 'Garden/Tools',
      price: `${i + 5}.50`,
      currency: 'EUR',
    }));
    await server.fetch('/v1/items', {
      method: 'PUT',
      body: JSON.stringify(items),
      headers: { 'content-type': 'application/json' },
    });
    const batch = [];
    for (let person = 0; person < 12; person++)
      for (const step of [0, 1])
        batch.push({
          type: 'track',
          event: 'Product Viewed',
          userId: `u${person}`,
          messageId: `${person}-${step}`,
          properties: { product_id: `p${(person % 3) * 2 + step}` },
          context: { sessionId: `s${person}` },
        });
    await server.post('/v1/batch', { batch });
    await server.drained();

    const page = await open('/recommend');
    await answered(page);
    await page.getByText('Nothing is known of this person or page').waitFor();
    await page.getByTestId('things').getByRole('button', { name: 'Rustic Rake' }).click();
    await eventually(async () => {
      assert.equal((await shown(page))[0], 'p1', 'what was looked at together');
    });
    assert.equal(new URL(page.url()).searchParams.get('items'), 'p0', 'the question is in the address');
    await page.getByText('Because you looked at Rustic Rake').first().waitFor();
    assert.ok(!(await shown(page)).includes('p0'));
    // A click on an answer is the next click of the visit.
    await page.getByTestId('answer').locator('[data-item="p1"]').click();
    await page.getByTestId('trail').getByText('Plain Pot').waitFor();
    await page.getByRole('button', { name: 'Take out Rustic Rake' }).click();
    await eventually(async () => assert.equal(new URL(page.url()).searchParams.get('items'), 'p1'));
    await page.getByRole('button', { name: 'Begin anew' }).click();
    await page.getByText('Nothing yet. Click something below.').waitFor();
  });

  test('asks for people, and tells how the answer came about', async () => {
    const page = await open('/recommend');
    await page.getByRole('list', { name: 'People' }).getByRole('button', { name: 'u3', exact: true }).click();
    await eventually(async () => assert.equal(new URL(page.url()).searchParams.get('user'), 'u3'));
    await page.getByRole('list', { name: 'Found, by source' }).getByText('Looked at together').waitFor();
    await page.getByRole('list', { name: 'Left out' }).getByText('what this visit is about').waitFor();
    await page.getByRole('list', { name: 'Time by step' }).getByText('who asks').waitFor();
    await page.getByRole('cell', { name: 'Popular in the country' }).waitFor();
  });

  test('shows at the filter what is wrong with it, and what each clause did', async () => {
    const page = await open('/recommend?filter=price%3C');
    await page
      .getByText(/clause 1, character 7/)
      .first()
      .waitFor();
    const field = page.getByLabel('Filter');
    await field.fill('category:Garden/Pots,colour:red');
    await field.press('Enter');
    await page.getByText('Nothing passes.').waitFor();
    await page.getByText(/let 0 of \d+ pass/).waitFor();
    await field.fill('category:Garden/Pots');
    await field.press('Enter');
    await eventually(async () => assert.deepEqual((await shown(page)).sort(), ['p1', 'p3', 'p5']));
  });

  test('is sound and good to look at everywhere', async () => {
    for (const [size, box] of Object.entries(sizes))
      for (const scheme of ['light', 'dark']) {
        const page = await open('/recommend?user=u3&items=p0,p1&filter=price%3E1', { size: box, scheme });
        await answered(page);
        await page.getByRole('list', { name: 'Found, by source' }).waitFor();
        await seeAll(page);
        await assertSound(page, `recommend ${size} ${scheme}`);
        await picture(page, `recommend-${size}-${scheme}`);
        await page.context().close();
      }
  });
});
