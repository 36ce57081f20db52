// The dashboard (C3) in a real browser, fed by the real server. The books of every event (promise 3).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, afterEach, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { Server, temporaryDir } from '../support/millrace.mjs';
import { assertSound, Browser, eventually, noBrowser, picture, seeAll, sizes } from './browser.mjs';

const options = { skip: noBrowser };
let browser;
before(async () => {
  if (!noBrowser) browser = await Browser.start();
});
afterEach(() => browser?.closePages());
after(() => browser?.close());

const textOf = (page, id) => page.getByTestId(id).first().innerText();
const panel = (page, title) =>
  page.locator('section', {
    has: page.getByRole('heading', { name: title, exact: true }),
  });
/** How many pixels of the canvas are painted. */
const inked = (page) =>
  page.locator('canvas').evaluate((canvas) => {
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    return data.filter((value, i) => i % 4 === 3 && value > 0).length;
  });
const now = () => new Date().toISOString();
let sent = 0;

const pageView = (path, who = 'a1') => ({
  type: 'page',
  messageId: `page-${++sent}`,
  anonymousId: who,
  timestamp: now(),
  properties: { path },
});
const track = (event, properties, who = 'a1') => ({
  type: 'track',
  event,
  messageId: `track-${++sent}`,
  anonymousId: who,
  timestamp: now(),
  properties,
});
const order = (id, currency, products, who) => track('Order Completed', { order_id: id, currency, products }, who);

/** What a small shop has seen: pages, items, and orders in two currencies. */
async function fill(server) {
  const put = [
    {
      id: 'i1',
      name: 'Copper Rake',
      category: 'Garden/Tools',
      price: '20.00',
      currency: 'EUR',
    },
    {
      id: 'i2',
      name: 'Stock Pot',
      category: 'Kitchen/Cooking',
      price: '35.50',
      currency: 'EUR',
    },
  ];
  await server.fetch('/v1/items', {
    method: 'PUT',
    body: JSON.stringify(put),
    headers: { 'content-type': 'application/json' },
  });
  const batch = [];
  for (let i = 0; i < 12; i++) batch.push(pageView('/garden', `a${i % 4}`));
  for (let i = 0; i < 5; i++) batch.push(pageView('/kitchen', `a${i % 4}`));
  for (let i = 0; i < 3; i++)
    batch.push(track('Product Viewed', { product_id: 'i1', name: 'Copper Rake', category: 'Garden/Tools' }, `a${i}`));
  batch.push(
    track('Product Added', {
      product_id: 'i1',
      name: 'Copper Rake',
      category: 'Garden/Tools',
      quantity: 1,
    }),
  );
  batch.push(
    order('o1', 'EUR', [
      {
        product_id: 'i1',
        category: 'Garden/Tools',
        price: '20.00',
        quantity: 2,
      },
    ]),
  );
  batch.push(
    order(
      'o2',
      'GBP',
      [
        {
          product_id: 'i1',
          category: 'Garden/Tools',
          price: '17.25',
          quantity: 1,
        },
      ],
      'a2',
    ),
  );
  batch.push(
    order(
      'o3',
      'EUR',
      [
        {
          product_id: 'i2',
          category: 'Kitchen/Cooking',
          price: '35.50',
          quantity: 1,
        },
      ],
      'a3',
    ),
  );
  const answer = await server.post('/v1/batch', { batch });
  assert.equal(answer.status, 200, await answer.text());
  await server.drained();
  return batch.length;
}

describe('an empty server', options, () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server?.stop());

  test('tells a newcomer the first command, which works, and then shows its event', async () => {
    const page = await browser.open(server.url);
    const command = await page.getByLabel('Command that sends the first event').innerText();
    await page.getByRole('button', { name: 'Copy' }).click();
    assert.equal(await page.evaluate(() => navigator.clipboard.readText()), command);
    await assertSound(page, 'empty');
    await picture(page, 'dashboard-empty');

    await promisify(execFile)('bash', ['-c', command]);
    await page.getByTestId('books').waitFor();
    assert.equal(await textOf(page, 'books-received'), '1');
    await panel(page, 'Visits by page').getByText('/hello').waitFor();
    await assertSound(page, 'first event');
  });
});

describe('a server with traffic', options, () => {
  let server;
  let events;
  before(async () => {
    server = await Server.start();
    events = await fill(server);
  });
  after(() => server?.stop());

  test('shows pages, items, sales and devices of the events it got', async () => {
    const page = await browser.open(server.url);
    const pages = panel(page, 'Visits by page').getByRole('listitem');
    await eventually(async () => assert.deepEqual(await pages.allInnerTexts(), ['/garden\n12', '/kitchen\n5']));
    const rake = panel(page, 'Most popular items').getByRole('row', {
      name: /Copper Rake/,
    });
    assert.match(await rake.innerText(), /Garden › Tools\s+3\s+1\s+[23]$/);
    assert.match(await panel(page, 'Visits by device').innerText(), /visits/);
  });

  test('never adds currencies', async () => {
    const page = await browser.open(server.url);
    const sales = panel(page, 'Sales by category');
    await sales.getByRole('button', { name: /as a table/ }).click();
    assert.match(await sales.getByRole('row', { name: /Garden/ }).innerText(), /€40\.00$/);
    assert.match(await sales.getByRole('row', { name: /Kitchen/ }).innerText(), /€35\.50$/);
    await sales.getByText('GBP', { exact: true }).click();
    await eventually(async () =>
      assert.match(await sales.getByRole('row', { name: /Garden/ }).innerText(), /£17\.25$/),
    );
    assert.equal(await sales.getByRole('row', { name: /Kitchen/ }).count(), 0);
  });

  test('shows new events within seconds, without being loaded again', async () => {
    const page = await browser.open(server.url);
    await page.getByTestId('books').waitFor();
    await page.evaluate(() => (window.stillHere = true));
    await server.post('/v1/batch', {
      batch: [pageView('/live'), pageView('/live'), pageView('/live')],
    });
    const sentAt = Date.now();
    await panel(page, 'Visits by page').getByText('/live').waitFor();
    const tookMs = Date.now() - sentAt;
    assert.ok(tookMs < 5_000, `${tookMs} ms`);
    events += 3;
    await eventually(async () => assert.equal(await textOf(page, 'books-received'), String(events)));
    assert.equal(await page.evaluate(() => window.stillHere), true);
    assert.equal(await textOf(page, 'link'), 'Live');
  });

  test('says whether the books balance, what that means, and shows a refused event', async () => {
    const page = await browser.open(server.url);
    await server.post('/v1/batch', {
      batch: [{ type: 'track', messageId: 'bad-1', anonymousId: 'a1', properties: {} }],
    });
    await eventually(async () => assert.equal(await textOf(page, 'books-quarantined'), '1'));
    events += 1;
    const sign = page.getByTestId('balance');
    assert.equal(await sign.innerText(), 'Balanced');
    await sign.hover();
    await page.getByText('Every event that came in is accounted for.').waitFor();
    await page.getByText(`${events} received = ${events - 1} logged + 1 quarantined`).waitFor();
    await page.mouse.move(5, 5);
    await page.getByText('Every event that came in is accounted for.').waitFor({ state: 'hidden' });
    await sign.focus();
    await page.keyboard.press('Enter');
    await page.getByText('Every event that came in is accounted for.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('Every event that came in is accounted for.').waitFor({ state: 'hidden' });
  });

  test('keeps the chosen window in the address', async () => {
    const page = await browser.open(server.url);
    for (const [label, name] of [
      ['1 h', '1h'],
      ['7 d', '7d'],
      ['30 d', '30d'],
      ['All', 'all'],
      ['24 h', '24h'],
    ]) {
      const asked = page.waitForRequest((request) => request.url().endsWith(`/v1/dashboard/stream?window=${name}`));
      await page.getByRole('radiogroup', { name: 'Time window' }).getByText(label, { exact: true }).click();
      await asked;
      assert.equal(new URL(page.url()).searchParams.get('window'), name);
      await eventually(async () => assert.equal(await textOf(page, 'link'), 'Live'));
    }
    await page.goto(`${server.url}/?window=7d`);
    await eventually(async () => assert.ok(await page.getByRole('radio', { name: '7 d' }).isChecked()));
  });

  test('draws page views of the chosen window', async () => {
    const threeDaysAgo = new Date(Date.now() - 3 * 86_400_000).toISOString();
    const old = { ...pageView('/garden'), timestamp: threeDaysAgo };
    assert.equal(
      (
        await server.post('/v1/batch', {
          batch: Array.from({ length: 90 }, (_, i) => ({ ...old, messageId: `old-${i}` })),
        })
      ).status,
      200,
    );
    events += 90;
    await server.drained();
    const page = await browser.open(`${server.url}/?window=24h`);
    const views = panel(page, 'Page views a minute');
    await views.getByText('In the last 24 hours, averaged over each 10 minutes').waitFor();
    await views.getByRole('button', { name: /as a table/ }).click();
    // A head, and the steps that are over: of 144 all but the one that is running.
    await eventually(async () => assert.ok([144, 145].includes(await views.getByRole('row').count())));
    await page.getByRole('radiogroup', { name: 'Time window' }).getByText('7 d', { exact: true }).click();
    await views.getByText('In the last 7 days, averaged over each hour').waitFor();
    // 90 views in one hour are 1.5 a minute.
    await eventually(async () => assert.equal(await views.getByRole('cell', { name: '1.5', exact: true }).count(), 1));
  });

  test('tells the figure of the point under the pointer', async () => {
    const page = await browser.open(`${server.url}/?window=1h`);
    const views = panel(page, 'Page views a minute');
    await views.getByText('this minute so far').waitFor();
    const plot = await page.locator('.u-over').boundingBox();
    await page.mouse.move(plot.x + plot.width / 2, plot.y + plot.height / 2);
    await views.getByText(/^\d\d:\d\d$/).waitFor();
    assert.match(await textOf(page, 'views-now'), /^\d+$/);
    await page.mouse.move(5, 5);
    await views.getByText('this minute so far').waitFor();
  });

  test('bears names of any length', async () => {
    const page = await browser.open(server.url, { size: sizes.narrow });
    const path = `/${'very-long-'.repeat(30)}`;
    const name = 'Hand-forged copper rake with an ash handle for gardens of every size '.repeat(4).trim();
    await server.post('/v1/batch', {
      batch: [
        ...Array.from({ length: 30 }, () => pageView(path)),
        ...Array.from({ length: 9 }, () => track('Product Viewed', { product_id: 'long', name, category: 'Garden' })),
      ],
    });
    events += 39;
    await panel(page, 'Visits by page').getByTitle(path).waitFor();
    await panel(page, 'Most popular items').getByTitle(name).waitFor();
    await seeAll(page);
    await assertSound(page, 'long names');
  });

  test('shows every chart as a table too', async () => {
    const page = await browser.open(server.url);
    await page.getByTestId('books').waitFor();
    for (const title of ['Page views a minute', 'The books', 'Visits by page', 'Sales by category']) {
      const section = panel(page, title);
      await section.getByRole('button', { name: /as a table/ }).click();
      assert.ok((await section.getByRole('row').count()) >= 2, title);
    }
    await page.mouse.move(0, 0); // on a slow machine the last button still says what it does
    await eventually(async () => assert.equal(await page.locator('[role=tooltip]').count(), 0));
    await assertSound(page, 'tables');
  });

  for (const [sizeName, size] of Object.entries(sizes)) {
    for (const scheme of ['light', 'dark']) {
      test(`is sound at ${size.width} px, ${scheme}`, async () => {
        const page = await browser.open(server.url, { size, scheme });
        await page.getByTestId('balance').waitFor();
        await seeAll(page);
        await panel(page, 'Visits by device').locator('svg').first().waitFor();
        assert.equal(await page.locator('html').getAttribute('data-mantine-color-scheme'), scheme);
        await eventually(async () => assert.ok((await inked(page)) > 1_000, 'the line is drawn'));
        await assertSound(page, `${sizeName} ${scheme}`);
        await picture(page, `dashboard-${sizeName}-${scheme}`);
      });
    }
  }

  test('keeps the look that was chosen', async () => {
    const page = await browser.open(server.url, { scheme: 'light' });
    await page.getByRole('button', { name: /Light or dark/ }).click();
    await page.getByRole('menuitemradio', { name: 'Dark' }).click();
    const scheme = () => page.locator('html').getAttribute('data-mantine-color-scheme');
    assert.equal(await scheme(), 'dark');
    // The kept choice must be there before the page's own program runs, or it would flash.
    await page.route('**/assets/*.js', (route) => route.abort());
    await page.reload({ waitUntil: 'domcontentloaded' });
    assert.equal(await scheme(), 'dark');
  });

  test('lets the keyboard skip to the content and reach everything', async () => {
    const page = await browser.open(server.url);
    await page.getByTestId('balance').waitFor();
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    await page.keyboard.press('Enter');
    const reached = new Set();
    for (let i = 0; i < 25; i++) {
      await page.keyboard.press('Tab');
      reached.add(
        await page.evaluate(
          () => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent,
        ),
      );
    }
    for (const name of ['Overview', 'Example shop', 'Light or dark: As the system'])
      assert.ok(reached.has(name), `${name} not in ${[...reached].join(' | ')}`);
    assert.ok(reached.has('Balanced'), [...reached].join(' | '));
    assert.ok(reached.has('Show as a table: Sales by category'), [...reached].join(' | '));
  });

  test('stands still for who wants no motion, and moves for others', async () => {
    const moving = (page) =>
      page.evaluate(
        () =>
          document
            .getAnimations()
            .filter((a) => a.playState === 'running' && a.effect.getComputedTiming().iterations === Infinity).length,
      );
    const still = await browser.open(server.url, { motion: 'reduce' });
    await still.getByTestId('balance').waitFor();
    assert.equal(await moving(still), 0);
    const lively = await browser.open(server.url, { motion: 'no-preference' });
    await lively.getByTestId('balance').waitFor();
    assert.ok((await moving(lively)) > 0);
  });

  test('writes times in the zone of who looks', async () => {
    const clock = async (timezone) => {
      const page = await browser.open(server.url, { timezone });
      await page.getByTestId('balance').waitFor();
      const [, hour] = /Figures of (\d+):/.exec(await page.getByText(/^Figures of/).innerText());
      return Number(hour);
    };
    const [tokyo, utc] = [await clock('Asia/Tokyo'), await clock('UTC')];
    assert.equal((utc + 9) % 24, tokyo);
  });

  test('asks for the token of a server that wants one', async () => {
    const page = await browser.open('about:blank');
    await page.route('**/v1/dashboard/stream*', (route) =>
      route.request().headers()['authorization'] === 'Bearer open sesame'
        ? route.continue()
        : route.fulfill({ status: 401, body: '{"code":"denied","message":"a token is needed"}' }),
    );
    await page.goto(server.url);
    await page.getByLabel('This server asks for its token').fill('open sesame');
    await page.getByRole('button', { name: 'Open' }).click();
    await page.getByTestId('balance').waitFor();
    await page.reload();
    await page.getByTestId('balance').waitFor();
  });

  test('is small to load, and asks to be kept', async () => {
    const page = await browser.open(server.url, { size: sizes.narrow });
    await page.getByTestId('balance').waitFor();
    await page.waitForLoadState('load');
    await page.locator('.u-wrap').waitFor();
    const loaded = await page.evaluate(() =>
      performance
        .getEntriesByType('resource')
        .filter((e) => !e.name.includes('/v1/'))
        .map((e) => ({ name: e.name.split('/').pop(), bytes: e.transferSize })),
    );
    const bytes = loaded.reduce((sum, e) => sum + e.bytes, 0);
    assert.ok(bytes > 100_000 && bytes < 250_000, JSON.stringify(loaded));
    assert.ok(!loaded.some((e) => e.name.startsWith('echart')), 'charts below the fold are not loaded yet');

    const index = await server.fetch('/');
    assert.match(index.headers.get('content-security-policy'), /default-src 'self'/);
    assert.equal(index.headers.get('cache-control'), 'no-cache');
    const [asset] = /\/assets\/[^"]+\.js/.exec(await index.text());
    assert.match((await server.fetch(asset)).headers.get('cache-control'), /immutable/);
    const again = await server.fetch('/', {
      headers: { 'if-none-match': index.headers.get('etag') },
    });
    assert.equal(again.status, 304);
  });
});

describe('the frame around the pages', options, () => {
  let server;
  before(async () => (server = await Server.start()));
  after(() => server?.stop());

  test('leads from page to page without loading anew, and says which one it is', async () => {
    const page = await browser.open(server.url);
    await page.evaluate(() => (window.stillHere = true));
    const pages = page.getByRole('navigation', { name: 'Pages' });
    for (const [name, title, path] of [
      ['Example shop', 'Example shop · Millrace', '/shop'],
      ['Overview', 'Overview · Millrace', '/'],
    ]) {
      await pages.getByRole('link', { name }).click();
      await eventually(async () => assert.equal(await page.title(), title));
      assert.equal(new URL(page.url()).pathname, path);
      assert.deepEqual(await pages.locator('[aria-current=page]').allInnerTexts(), [name]);
    }
    await page.goBack();
    await eventually(async () => assert.equal(await page.title(), 'Example shop · Millrace'));
    assert.equal(await page.evaluate(() => window.stillHere), true);
    assert.equal((await server.fetch('/no-such-page')).status, 404);
  });

  test('scrolls its row of pages sideways when they are many, and never the page', async () => {
    const page = await browser.open(`${server.url}/shop`, { size: sizes.narrow });
    await page.getByTestId('person').waitFor();
    // The pages of later versions: the row must bear them.
    await page.evaluate(() => {
      const nav = document.querySelector('nav[aria-label=Pages]');
      for (const name of ['Recommend', 'Workflows', 'Catalogue', 'Alerts', 'Streams'])
        nav.append(Object.assign(nav.lastElementChild.cloneNode(), { textContent: name, href: `/${name}` }));
    });
    const widths = await page.evaluate(() => {
      const nav = document.querySelector('nav[aria-label=Pages]');
      return { inside: nav.scrollWidth, row: nav.clientWidth, page: document.documentElement.scrollWidth };
    });
    assert.ok(widths.inside > widths.row, JSON.stringify(widths));
    assert.ok(widths.page <= 390, JSON.stringify(widths));
  });

  test('stays when a page cannot be fetched', async () => {
    const page = await browser.open(server.url);
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.route('**/assets/shop-*.js', (route) => route.abort());
    await page.getByRole('link', { name: 'Example shop', exact: true }).first().click();
    await page.getByRole('heading', { name: 'This page cannot be shown' }).waitFor();
    await page.getByRole('link', { name: 'Overview', exact: true }).click();
    await page.getByRole('heading', { name: 'Overview' }).waitFor();
    await page.getByRole('link', { name: 'Example shop', exact: true }).first().click();
    await page.unroute('**/assets/shop-*.js');
    await page.getByRole('button', { name: 'Load again' }).click();
    await page.getByRole('heading', { name: 'The Mill Shop' }).waitFor();
  });

  test('shows the shape of what is to come while the first figures are on their way, and says when none come', async () => {
    assert.equal((await server.post('/v1/batch', { batch: [pageView('/')] })).status, 200);
    const page = await browser.open('about:blank');
    await page.route('**/v1/dashboard/stream*', (route) => route.abort());
    await page.goto(server.url);
    await page.getByRole('status', { name: 'Loading' }).waitFor();
    await page.getByTestId('link-lost').getByText('The server does not answer.').waitFor();
    assert.equal(await textOf(page, 'link'), 'Not connected');
    await picture(page, 'dashboard-no-answer');
    await page.unroute('**/v1/dashboard/stream*');
    await page.getByRole('button', { name: 'Try now' }).click();
    await page.getByTestId('balance').waitFor();
    await eventually(async () => assert.equal(await textOf(page, 'link'), 'Live'));
  });
});

describe('a server that goes away', options, () => {
  test('says so, keeps the last figures, and goes on by itself when it is back', async () => {
    const data = await temporaryDir();
    let server = await Server.start({ data });
    try {
      await fill(server);
      const page = await browser.open(server.url);
      await page.getByTestId('balance').waitFor();
      const before = await textOf(page, 'books-received');

      await server.kill();
      await page.getByTestId('link-lost').getByText('Connection lost.').waitFor();
      assert.equal(await textOf(page, 'books-received'), before);
      assert.equal(await textOf(page, 'link'), 'Not connected');
      // Charts further down, which nobody can fetch now, do not take the page with them.
      await seeAll(page);
      await panel(page, 'Sales by category').getByText('The chart could not be fetched.').waitFor();
      assert.equal(await textOf(page, 'books-received'), before);
      await picture(page, 'dashboard-lost');

      const port = new URL(server.url).port;
      server = await Server.start({ data, listen: `127.0.0.1:${port}` });
      await page.getByTestId('link-lost').waitFor({ state: 'hidden' });
      await server.post('/v1/batch', { batch: [pageView('/back')] });
      await panel(page, 'Visits by page').getByText('/back').waitFor();
      assert.equal(await textOf(page, 'books-received'), String(Number(before) + 1));
    } finally {
      await server.stop();
    }
  });
});
