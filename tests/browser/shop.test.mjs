// The example shop in a real browser: what a person does there changes what is recommended (E7), and a page
// whose call fails shows its last list (E18).
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

const rail = (page) => page.getByTestId('rail').getByRole('listitem');
const railIds = (page) => rail(page).evaluateAll((entries) => entries.map((e) => e.getAttribute('data-item')));
const tile = (page, id) => page.getByTestId('shelf').locator(`[data-item="${id}"] a`);

const things = ['Rake', 'Watering Can', 'Stock Pot', 'Bread Knife', 'Notebook', 'Desk Lamp'];
const items = Array.from({ length: 30 }, (_, i) => ({
  id: `i${String(i).padStart(2, '0')}`,
  name: `${['Plain', 'Bright', 'Fine'][i % 3]} ${things[i % 6]} ${i}`,
  category: i % 2 ? 'Garden/Tools' : 'Kitchen/Cooking',
  price: `${i + 1}.50`,
  currency: 'EUR',
}));

/** A history in which i03 goes with i02 and i05 with i04, and i07 sells best. */
async function fill(server) {
  const put = await server.fetch('/v1/items', {
    method: 'PUT',
    body: JSON.stringify(items),
    headers: { 'content-type': 'application/json' },
  });
  assert.equal(put.status, 200, await put.text());
  const batch = [];
  const send = (userId, event, properties) =>
    batch.push({
      type: 'track',
      event,
      messageId: `history-${batch.length}`,
      userId,
      timestamp: new Date().toISOString(),
      properties,
    });
  for (let u = 0; u < 40; u++) {
    send(`u${u}`, 'Product Viewed', { product_id: u % 2 ? 'i02' : 'i04' });
    send(`u${u}`, 'Product Viewed', { product_id: u % 2 ? 'i03' : 'i05' });
    if (u % 3 === 0)
      send(`u${u}`, 'Order Completed', {
        order_id: `o${u}`,
        currency: 'EUR',
        products: [{ product_id: 'i07', price: '8.50', quantity: 1 }],
      });
  }
  assert.equal((await server.post('/v1/batch', { batch })).status, 200);
  await server.drained();
  await eventually(async () => assert.equal((await server.json('/v1/items?n=100')).items.length, items.length));
}

describe('a shop without a catalogue', options, () => {
  test('can be filled with a click', async () => {
    const server = await Server.start();
    try {
      const page = await browser.open(`${server.url}/shop`);
      await page.getByRole('heading', { name: 'The shelves are empty' }).waitFor();
      await assertSound(page, 'empty shop');
      await page.getByRole('button', { name: 'Fill the shelves' }).click();
      await tile(page, 'SAMPLE-01').waitFor();
      assert.equal(await page.getByTestId('shelf').getByRole('listitem').count(), 24);
      await tile(page, 'SAMPLE-01').click();
      await page.getByRole('button', { name: 'Add to cart' }).waitFor();
      await eventually(async () => assert.ok((await railIds(page)).length > 0));
    } finally {
      await server.stop();
    }
  });
});

describe('a shop with a history', options, () => {
  let server;
  before(async () => {
    server = await Server.start();
    await fill(server);
  });
  after(() => server?.stop());

  test('shows a newcomer what sells, and changes it with the first click', async () => {
    const page = await browser.open(`${server.url}/shop`);
    await eventually(async () => assert.equal((await railIds(page)).length, 6));
    const before = await railIds(page);
    assert.ok(before.includes('i07'), 'what sells best is there');
    await page.getByText('Nothing is known of you yet, so these sell best.').waitFor();

    await tile(page, 'i02').click();
    await eventually(async () => assert.equal((await railIds(page))[0], 'i03'));
    const first = rail(page).first();
    assert.match(await first.innerText(), /Plain Bread Knife 3/);
    assert.match(await first.innerText(), /Fine Stock Pot 2/, 'the reason names what was looked at');
    assert.match(await first.getAttribute('data-change'), /^new( reason)?$/);
    assert.match(await page.getByTestId('rail-note').innerText(), /^\d changed, because of what you just did/);
    assert.match(await page.getByTestId('rail-latency').innerText(), /^\d+(\.\d+)?$/);
    await page
      .getByText(/^Safe on disk after \d.*changed recommendation/)
      .first()
      .waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test('does not offer again what was bought, and the order is in the tables', async () => {
    const page = await browser.open(`${server.url}/shop/item/i04`);
    await eventually(async () => assert.ok((await railIds(page)).includes('i05')));
    await page.goto(`${server.url}/shop/item/i05`);
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('button', { name: 'Add another (1 in cart)' }).click();
    await page.getByTestId('cart').click();
    await page.getByText('€13.00').waitFor();
    await page.getByRole('button', { name: 'Buy everything' }).click();
    await page.getByRole('heading', { name: 'Thank you' }).waitFor();
    await page
      .getByText(/^Safe on disk/)
      .first()
      .waitFor();
    await page.getByRole('link', { name: 'Back to the shop' }).click();
    await tile(page, 'i04').click();
    await page.getByTestId('product').waitFor();
    await eventually(async () => assert.ok((await railIds(page)).length > 0));
    assert.ok(!(await railIds(page)).includes('i05'));
    await eventually(async () => {
      const rows = await server.sql("SELECT item_id, quantity::INTEGER FROM order_lines WHERE order_id LIKE 'shop-%'");
      assert.deepEqual(
        rows.map(([id, quantity]) => [id, Number(quantity)]),
        [['i05', 2]],
      );
    });
  });

  test('says which recommendation a visit came from', async () => {
    const page = await browser.open(`${server.url}/shop/item/i02`);
    await eventually(async () => assert.equal((await railIds(page))[0], 'i03'));
    const served = page.waitForRequest((request) => request.url().endsWith('/v1/batch'));
    await rail(page).first().getByRole('link').click();
    const sent = JSON.parse((await served).postData()).batch.find((m) => m.event === 'Product Viewed');
    assert.equal(sent.properties.product_id, 'i03');
    assert.ok(sent.properties.recommendation_id);
    await eventually(async () => {
      const rows = await server.sql(
        "SELECT item_id, recommendation_id FROM events WHERE type = 'item_view' AND recommendation_id IS NOT NULL",
      );
      assert.deepEqual(rows, [['i03', sent.properties.recommendation_id]]);
    });
  });

  test('keeps the recommendations in sight while one scrolls along the shelves', async () => {
    const page = await browser.open(`${server.url}/shop`);
    await eventually(async () => assert.equal((await railIds(page)).length, 6));
    await page.getByRole('button', { name: /Show more/ }).click();
    await tile(page, 'i29').waitFor();
    await page.evaluate(() => scrollTo(0, 700));
    for (const heading of ['For you', 'What just happened']) {
      const box = await page.getByRole('heading', { name: heading }).boundingBox();
      assert.ok(box.y >= 0 && box.y + box.height < sizes.wide.height, `${heading} at ${JSON.stringify(box)}`);
    }
    await picture(page, 'shop-scrolled', { fullPage: false });
    const last = await rail(page).last().boundingBox();
    assert.ok(last.y + last.height < sizes.wide.height, 'the whole list is in sight');
    // Also beside a product, where reasons are longer and more has happened: nothing of the list is cut.
    await tile(page, 'i20').click();
    await page.getByRole('button', { name: 'Add to cart' }).click();
    await page.getByRole('button', { name: 'Add another (1 in cart)' }).waitFor();
    const cut = await page.getByRole('complementary').evaluate((e) => e.scrollHeight - e.clientHeight);
    assert.ok(cut <= 0, `${cut} px of the list are cut`);
  });

  test('shows the shape of the list until the first one comes, and does not call it empty', async () => {
    const page = await browser.open('about:blank');
    let answer;
    const held = new Promise((resolve) => (answer = resolve));
    await page.route('**/v1/recommendations?*', async (route) => {
      await held;
      await route.continue();
    });
    await page.goto(`${server.url}/shop`);
    await tile(page, 'i02').waitFor();
    await page.getByTestId('rail-waiting').waitFor();
    assert.equal(await page.getByTestId('rail-note').innerText(), 'Choosing for you…');
    assert.equal(await page.getByText('Nothing to recommend').count(), 0);
    await assertSound(page, 'waiting');
    answer();
    await eventually(async () => assert.equal((await railIds(page)).length, 6));
    assert.equal(await page.getByTestId('rail-waiting').count(), 0);
  });

  test('says in the header whether the server answers', async () => {
    const page = await browser.open(`${server.url}/shop`);
    const link = () => page.getByTestId('link').innerText();
    await eventually(async () => assert.equal(await link(), 'Connected'));
    await page.route('**/v1/**', (route) => route.abort());
    await page.route('**/healthz', (route) => route.abort());
    await page.getByRole('link', { name: 'Garden', exact: true }).click();
    await page.getByText('The shelves cannot be reached.').waitFor();
    await eventually(async () => assert.equal(await link(), 'Not connected'));
    await picture(page, 'shop-lost');
    await page.unroute('**/v1/**');
    await page.unroute('**/healthz');
    await page.getByRole('button', { name: 'Try again' }).click();
    await tile(page, 'i01').waitFor();
    await eventually(async () => assert.equal(await link(), 'Connected'));
  });

  test('browses by category', async () => {
    const page = await browser.open(`${server.url}/shop`);
    await page.getByRole('link', { name: 'Garden', exact: true }).click();
    await tile(page, 'i01').waitFor();
    assert.equal(await page.getByTestId('shelf').getByRole('listitem').count(), 15);
    await page.goBack();
    await page.getByRole('button', { name: /Show more/ }).click();
    await tile(page, 'i29').waitFor();
    assert.equal(await page.getByTestId('shelf').getByRole('listitem').count(), 30);
  });

  test('knows a person again, and keeps people apart', async () => {
    const page = await browser.open(`${server.url}/shop/item/i02`);
    await eventually(async () => assert.equal((await railIds(page))[0], 'i03'));
    const visitor = await page.getByTestId('person').innerText();
    await page.reload();
    assert.equal(await page.getByTestId('person').innerText(), visitor);

    await page.getByTestId('person').click();
    await page.getByText('Customers with a history').waitFor();
    await page.getByLabel('Any customer id').fill('u3');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.goto(`${server.url}/shop`);
    assert.equal(await page.getByTestId('person').innerText(), 'u3');
    await eventually(async () => assert.ok((await railIds(page)).length > 0));
    assert.ok(!(await railIds(page)).includes('i07'), 'u3 has bought i07');

    await page.getByTestId('person').click();
    await page.getByRole('button', { name: visitor }).click();
    await eventually(async () => assert.ok((await railIds(page)).includes('i07'), 'the visitor has not'));
    assert.deepEqual(page.complaints, []);
  });

  test('shows the last list when the recommender does not answer, and goes on when it does', async () => {
    const page = await browser.open(`${server.url}/shop/item/i02`);
    await eventually(async () => assert.equal((await railIds(page))[0], 'i03'));
    const last = await railIds(page);
    await page.route('**/v1/recommendations?*', (route) =>
      route.fulfill({
        status: 503,
        body: '{"code":"unavailable","message":"down"}',
      }),
    );
    await page.reload();
    await page.getByText('The recommender does not answer. This is the last list that came.').waitFor();
    assert.deepEqual(await railIds(page), last);
    await page.unroute('**/v1/recommendations?*');
    await page.getByRole('button', { name: 'Ask again' }).click();
    await page.getByText('The recommender does not answer', { exact: false }).waitFor({ state: 'hidden' });
    assert.equal((await railIds(page))[0], 'i03');
  });

  test('is seen on the dashboard', async () => {
    const dashboard = await browser.open(server.url);
    const received = async () =>
      Number((await dashboard.getByTestId('books-received').first().innerText()).replaceAll(',', ''));
    await dashboard.getByTestId('books').waitFor();
    const before = await received();
    const page = await browser.open(`${server.url}/shop/item/i09`);
    await page
      .getByText(/^Safe on disk/)
      .first()
      .waitFor();
    await eventually(async () => assert.ok((await received()) >= before + 2));
  });

  for (const [sizeName, size] of Object.entries(sizes)) {
    for (const scheme of ['light', 'dark']) {
      test(`is sound at ${size.width} px, ${scheme}`, async () => {
        const page = await browser.open(`${server.url}/shop`, { size, scheme });
        await eventually(async () => assert.equal((await railIds(page)).length, 6));
        await seeAll(page);
        await assertSound(page, 'shelf');
        await picture(page, `shop-${sizeName}-${scheme}`);
        await tile(page, 'i02').click();
        await page.getByRole('button', { name: 'Add to cart' }).click();
        await page
          .getByText(/^Safe on disk/)
          .first()
          .waitFor();
        await assertSound(page, 'product');
        await picture(page, `product-${sizeName}-${scheme}`);
        await page.getByTestId('person').click();
        await page.getByLabel('Any customer id').waitFor();
        await page.keyboard.press('Escape');
        await page.getByTestId('cart').click();
        await page.getByRole('button', { name: 'Buy everything' }).waitFor();
        await assertSound(page, 'cart');
      });
    }
  }
});
