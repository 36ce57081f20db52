// ctest: timeout 240
// The page Models: train and watch it, see how good versions are, deploy, roll back, retire, remove, ask what is served.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { Server, run, temporaryDir } from '../support/millrace.mjs';
import { assertSound, Browser, eventually, noBrowser, picture, seeAll, sizes } from './browser.mjs';

const options = { skip: noBrowser };
let browser;
before(async () => {
  if (!noBrowser) browser = await Browser.start();
});
afterEach(() => browser?.closePages());
after(() => browser?.close());

describe('models', options, () => {
  let project;
  let server;
  const file = (name) => path.join(project, 'models', name);
  before(async () => {
    project = await temporaryDir();
    mkdirSync(path.join(project, 'models'));
    writeFileSync(path.join(project, 'millrace.yaml'), '{}\n');
    server = await Server.start({ args: ['--project', project] });
  });
  after(async () => {
    await server?.stop();
    if (project) await rm(project, { recursive: true, force: true });
  });

  const token = () => JSON.parse(readFileSync(path.join(server.data, 'server.json'), 'utf8')).token;
  /** Open a page of the models as who may change them. */
  const open = async (route, look) => {
    const page = await browser.open(server.url, look);
    await page.evaluate((text) => localStorage.setItem('millrace-token', text), token());
    await page.goto(server.url + route);
    return page;
  };
  const model = (name) => server.json(`/v1/models/${name}`);
  const millrace = (...args) => run([...args, '--data', server.data]);
  const press = (page, name) => page.getByRole('button', { name, exact: true }).click();
  const answer = (page, name) => page.getByTestId('ask').getByRole('button', { name, exact: true }).click();
  const everywhere = async (route, name, ready) => {
    for (const [size, box] of Object.entries(sizes))
      for (const scheme of ['light', 'dark']) {
        const page = await open(route, { size: box, scheme });
        await ready(page);
        await seeAll(page);
        await assertSound(page, `${name} ${size} ${scheme}`);
        await picture(page, `models-${name}-${size}-${scheme}`);
        await page.context().close();
      }
  };

  test('teaches how to add one where there is none', async () => {
    await everywhere('/models', 'none', (page) => page.getByText('No model yet').waitFor());
  });

  test('lets who has no token look, and asks for it before anything is changed', async () => {
    writeFileSync(file('near.yaml'), 'kind: item_knn\ndescription: What goes together\nevaluate: {n: 5}\n');
    const page = await browser.open(`${server.url}/models/near`);
    await page.getByTestId('locked').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Train' }).count(), 0);
    await assertSound(page, 'locked');
    await press(page, 'Give the token');
    await page.getByLabel('This server’s token').fill('wrong');
    await press(page, 'Open');
    await page.getByText('That is not it.').waitFor();
    await page.getByLabel('This server’s token').fill(token());
    await press(page, 'Open');
    await page.getByRole('button', { name: 'Train' }).waitFor();
  });

  test('says why a training failed, and what to do', async () => {
    const page = await open('/models');
    await page.getByTestId('models').getByText('Not trained yet.').waitFor();
    await press(page, 'Train');
    await page.getByTestId('ask').getByText('Nothing is served of it meanwhile.').waitFor();
    await page.keyboard.press('Escape');
    await eventually(async () => assert.equal(await page.getByTestId('ask').count(), 0));
    assert.equal(page.url(), `${server.url}/models/near`);
    await press(page, 'Train');
    await answer(page, 'Train now');
    await page.getByTestId('failure').getByText('there are none to learn from').waitFor();
    await page.getByTestId('failure').getByText('Let people look around first').waitFor();
    await assertSound(page, 'failed');
    assert.deepEqual((await model('near')).versions, []);
  });

  test('trains one, and serves it', async () => {
    // Ninety people of three tastes look at eight of ten items each.
    const batch = Array.from({ length: 720 }, (_, i) => {
      const [person, step] = [Math.floor(i / 8), i % 8];
      return {
        type: 'track',
        event: 'Product Viewed',
        anonymousId: `p${person}`,
        messageId: `m${i}`,
        timestamp: new Date(Date.UTC(2026, 0, 1, step, 0, person)).toISOString(),
        properties: { product_id: `i${(person % 3) * 10 + ((person * 7 + step * (1 + (person % 9))) % 10)}` },
      };
    });
    for (let at = 0; at < batch.length; at += 100)
      assert.equal((await server.post('/v1/batch', { batch: batch.slice(at, at + 100) })).status, 200);
    await server.drained();
    const page = await open('/models/near');
    await press(page, 'Train');
    await answer(page, 'Train now');
    await page.getByTestId('trained').getByText('Version 1 is written. Deployed, as the first').waitFor();
    await page.getByTestId('served').getByText('v1', { exact: true }).waitFor();
    await page.getByTestId('served').getByText('Better than popularity').waitFor();
    await page.getByTestId('history').getByText('by a training').waitFor();
    assert.equal((await model('near')).deployed, '1');
    assert.deepEqual(page.complaints, []);
  });

  test('shows a training as it runs, and stops it', async () => {
    writeFileSync(file('slow.yaml'), 'kind: als\nsettings: {factors: 200, iterations: 1000}\n');
    const page = await open('/models/slow');
    await press(page, 'Train');
    await answer(page, 'Train now');
    const training = page.getByTestId('training');
    await training.getByText(/slow: |popularity/).waitFor();
    await assertSound(page, 'training');
    await picture(page, 'models-training');
    await page.getByRole('link', { name: 'Models' }).last().click();
    await page.getByText('Is being trained now.').waitFor();
    await page.getByRole('link', { name: 'slow' }).click();
    await press(page, 'Stop');
    await page.getByText('Nothing of it is kept').waitFor();
    // Stopped on the server too: the next one does not wait for it.
    writeFileSync(file('slow.yaml'), 'kind: als\nsettings: {factors: 2, iterations: 2}\n');
    await press(page, 'Train');
    await page.getByLabel('Do not serve it yet').check();
    await answer(page, 'Train now');
    await page.getByTestId('trained').getByText('Not deployed, as asked').waitFor();
    await page.getByText('Nothing of this model is served.').waitFor();
    assert.equal((await model('slow')).versions.length, 1);
  });

  test('asks before what is served changes: deploy, roll back, retire', async () => {
    assert.equal((await millrace('train', 'near', '--deploy', 'never')).code, 0);
    const page = await open('/models/near');
    const row = (number) => page.getByTestId(`version-${number}`);
    await row(2).getByRole('button', { name: 'Deploy' }).click();
    await page.getByTestId('ask').getByText('in the place of version 1').waitFor();
    await answer(page, 'Leave it as it is');
    assert.equal((await model('near')).deployed, '1');
    // One is where one was.
    await page.waitForFunction(() => document.activeElement.textContent === 'Deploy version 2');
    await row(2).getByRole('button', { name: 'Deploy' }).focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByTestId('served').getByText('v2', { exact: true }).waitFor();
    assert.equal((await model('near')).deployed, '2');
    await press(page, 'Roll back to version 1');
    await answer(page, 'Roll back');
    await page.getByTestId('served').getByText('v1', { exact: true }).waitFor();
    await press(page, 'Retire');
    await answer(page, 'Retire');
    await page.getByText('Nothing of this model is served.').waitFor();
    assert.equal((await model('near')).deployed, undefined);
    await press(page, 'Serve version 1 again');
    await answer(page, 'Roll back');
    await page.getByTestId('served').getByText('v1', { exact: true }).waitFor();
    assert.deepEqual(
      (await model('near')).history.map(({ version }) => version),
      ['1', null, '1', '2', '1'],
    );
  });

  test('stays open with the reason when a version is damaged, and removes that', async () => {
    const weights = path.join(server.data, 'models/near/2/weights_value.npy');
    const bytes = readFileSync(weights);
    writeFileSync(weights, bytes.fill(1, bytes.length - 4));
    const page = await open('/models/near');
    const row = page.getByTestId('version-2');
    await row.getByRole('button', { name: 'Deploy' }).click();
    await answer(page, 'Deploy version 2');
    await page.getByTestId('ask').getByText('remove the version and train again').waitFor();
    await answer(page, 'Leave it as it is');
    assert.equal((await model('near')).deployed, '1');
    await row.getByRole('button', { name: 'Remove' }).click();
    await answer(page, 'Remove version 2');
    await row.waitFor({ state: 'detached' });
    assert.equal((await model('near')).versions.length, 1);
  });

  test('shows what a version was judged by and made of', async () => {
    // As a trainer that tells its losses writes it.
    const manifest = path.join(server.data, 'models/near/1/model.json');
    const before = readFileSync(manifest, 'utf8');
    const page = await open('/models/near/1');
    await page.getByText('Passed the gate').waitFor();
    await page.getByTestId('trained-on').getByText('720').waitFor();
    await page.getByLabel('Beside others').getByText('Popularity of late').waitFor();
    assert.equal(await page.getByTestId('curve').count(), 0);
    const curve = Array.from({ length: 12 }, (_, i) => ({ step: i + 1, loss: 0.2 + 1 / (i + 2) }));
    writeFileSync(manifest, JSON.stringify({ ...JSON.parse(before), curve }));
    await everywhere('/models/near/1', 'version', (one) => one.getByTestId('curve').waitFor());
    writeFileSync(manifest, before);
  });

  test('leads to the report of a version where the server writes reports', async () => {
    const page = await open('/models/near/1');
    await page.getByText('Passed the gate').waitFor();
    const report = `${server.url}/v1/models/near/versions/1/report`;
    const paths = { '/v1/models/{name}/versions/{version}/report': {} };
    await page.route('**/openapi.json', (route) => route.fulfill({ json: { paths } }));
    await page.route(report, (route) => route.fulfill({ contentType: 'text/html', body: '<p>A report' }));
    await page.reload();
    const link = page.getByRole('link', { name: 'Report' });
    await link.waitFor();
    assert.equal(await link.evaluate((a) => a.href), report);
    await page.unroute(report);
    await page.route(report, (route) => route.fulfill({ status: 404, json: { message: 'none' } }));
    await page.reload();
    await page.getByText('Passed the gate').waitFor();
    await page.waitForLoadState('networkidle');
    assert.equal(await link.count(), 0);
  });

  test('asks the served version', async () => {
    const page = await open('/models/near');
    await page.getByLabel('Items met').fill('i1, nothing');
    await press(page, 'Recommend');
    const recommended = page.getByTestId('recommended');
    await recommended.getByText('It does not know nothing').waitFor();
    const ids = await recommended.getByRole('listitem').allInnerTexts();
    const asked = await server.json('/v1/models/near/recommendations?items=i1&n=10');
    assert.ok(asked.items.length > 0);
    assert.deepEqual(
      ids.map((text) => text.split('\n')[0]),
      asked.items.map(({ id }) => id),
    );
    await page.getByLabel('Items that many met').getByRole('button').first().click();
    await recommended.waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test('looks for drift when asked, and shows what it found', async () => {
    const rule = 'retrain: {every: 90d, check_every: 30d}\n';
    writeFileSync(file('near.yaml'), `${readFileSync(file('near.yaml'), 'utf8')}${rule}`);
    const page = await open('/models/near');
    const drift = page.getByTestId('drift');
    await page.getByText('Trained again every 90d; looked at every 30d.').waitFor();
    await press(page, 'Check now');
    await drift.getByText('Too little has come to say').waitFor();
    // The same people want what others wanted before.
    const batch = Array.from({ length: 720 }, (_, i) => ({
      type: 'track',
      event: 'Product Viewed',
      anonymousId: `p${Math.floor(i / 8)}`,
      messageId: `later${i}`,
      timestamp: new Date(Date.UTC(2026, 0, 5, i % 8, 0, Math.floor(i / 8))).toISOString(),
      properties: { product_id: `i${((Math.floor(i / 8) + 1) % 3) * 10 + ((i * 7 + (i >> 3)) % 10)}` },
    }));
    for (let at = 0; at < batch.length; at += 100)
      assert.equal((await server.post('/v1/batch', { batch: batch.slice(at, at + 100) })).status, 200);
    await server.drained();
    await press(page, 'Check now');
    await drift.getByText(/Worse than (popularity|when it was made)/).waitFor();
    await drift.getByText('720 interactions by 90 people since its training, 720 before').waitFor();
    await drift.getByRole('row', { name: /^Now/ }).waitFor();
    await drift.getByRole('row', { name: /^item/ }).waitFor();
    await page.reload();
    await drift.getByText(/Worse than/).waitFor();
    assert.deepEqual(page.complaints, []);
  });

  test('is sound in every size and light', async () => {
    await everywhere('/models', 'list', (page) => page.getByTestId('verdict').first().waitFor());
    await everywhere('/models/near', 'one', async (page) => {
      await page.getByLabel('Items that many met').getByRole('button').first().click();
      await page.getByTestId('recommended').waitFor();
      await press(page, 'Train');
      await page.getByTestId('ask').waitFor();
    });
  });

  test('tells a mistake in a file with its line', async () => {
    writeFileSync(file('odd.yaml'), 'kind: item_knn\nkindly: 1\n');
    const page = await open('/models');
    await page.getByTestId('models').getByText('odd.yaml:2').waitFor();
    await page.getByTestId('models').getByText('near', { exact: true }).waitFor();
    rmSync(file('odd.yaml'));
  });

  test('shows versions whose file is gone, and does not train them', async () => {
    renameSync(file('near.yaml'), file('near.off'));
    const page = await open('/models/near');
    await page.getByText('The project has no models/near.yaml any more').waitFor();
    await page.getByTestId('served').waitFor();
    assert.equal(await page.getByRole('button', { name: 'Train' }).count(), 0);
  });
});
