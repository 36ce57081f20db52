// The page Quarantine: look through what was refused, mend it, have it taken in, drop it (E13).
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

const viewed = (n, properties) => ({
  type: 'track',
  event: 'Product Viewed',
  messageId: `m${n}`,
  anonymousId: `a${n}`,
  properties,
});

describe('the desk', options, () => {
  let server;
  before(async () => {
    server = await Server.start();
    const batch = Array.from({ length: 30 }, (_, i) => viewed(i, { product_id: 'pot', price: '12,50' }));
    batch.push({ ...viewed(40, { product_id: 'rake' }), type: 'trak' }, viewed(41, {}));
    assert.equal((await server.post('/v1/batch', { batch })).status, 200);
    await server.drained();
  });
  after(() => server?.stop());
  const states = async () =>
    Object.fromEntries(await server.sql('SELECT state, count(*) FROM quarantine_desk GROUP BY ALL'));

  test('is sound in every size and light', async () => {
    for (const [name, size] of Object.entries(sizes))
      for (const scheme of ['light', 'dark']) {
        const page = await browser.open(`${server.url}/quarantine`, { size, scheme });
        await page.getByTestId('records').waitFor();
        await page.getByTestId('records').getByText('quarantine:0:').first().click();
        await page.getByTestId('record').waitFor();
        await page.getByLabel('Mend').fill(`replace(attributes->>'raw', '12,50', '12.50')`);
        await page.getByRole('button', { name: 'Try on the newest' }).click();
        await page.getByTestId('outcomes').waitFor();
        await seeAll(page);
        await assertSound(page, `${name} ${scheme}`);
        await picture(page, `quarantine-${name}-${scheme}`);
      }
  });

  test('drops one that was chosen, with a note, and has it wait again', async () => {
    const page = await browser.open(`${server.url}/quarantine`);
    const record = page.getByTestId('records').locator('li', { hasText: 'must be track' });
    await record.getByRole('checkbox').check();
    await page.getByLabel('Note').fill('a typo of the test team');
    await page.getByRole('button', { name: 'Drop', exact: true }).click();
    await eventually(async () => assert.deepEqual(await states(), { waiting: 31, dropped: 1 }));
    await page.getByText('Dropped', { exact: true }).click();
    await page.getByText('dropped: a typo of the test team').waitFor();
    await page.getByRole('button', { name: 'Reopen' }).click();
    await eventually(async () => assert.deepEqual(await states(), { waiting: 32 }));
  });

  test('takes a kind in, mended', async () => {
    const page = await browser.open(`${server.url}/quarantine`);
    await page.getByTestId('groups').getByText("'12,50' is not a number").click();
    await page.getByRole('button', { name: 'Take in all 30 records' }).waitFor();
    await page.getByLabel('Mend').fill(`replace(attributes->>'raw', '12,50', '12.50')`);
    await page.getByRole('button', { name: 'Take in all 30 records' }).click();
    await eventually(async () => assert.deepEqual(await states(), { waiting: 2, replayed: 30 }));
    const events = await server.sql("SELECT count(*), sum(price)::VARCHAR FROM events WHERE item_id = 'pot'");
    assert.deepEqual(events, [[30, '375.0000']]);
    await server.drained();
  });
});
