// An orderly stop loses nothing, answers what has begun, and the next start is quick (E18).
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

test('SIGTERM under load: every request begun is answered, every acknowledged event is kept', async () => {
  const data = await temporaryDir();
  try {
    const server = await Server.start({ data });
    let acknowledged = 0;
    let refusedWhileUp = 0;
    let stopping = false;
    const producers = Array.from({ length: 8 }, async (_, p) => {
      for (let n = 0; !stopping; n++) {
        try {
          const answer = await server.post('/v1/track', { type: 'track', event: 'Product Viewed', messageId: `r-${p}-${n}`, anonymousId: `a${p}`, properties: { product_id: 'p1' } });
          if (answer.status === 200) acknowledged++;
          else if (!stopping) refusedWhileUp++;
          await answer.text();
        } catch {
          return;
        }
      }
    });
    await new Promise((r) => setTimeout(r, 500));
    stopping = true;
    const stopped = server.stop();
    await Promise.all(producers);
    assert.equal((await stopped).code, 0);
    assert.equal(refusedWhileUp, 0);
    assert.ok(acknowledged > 50);

    const began = Date.now();
    const again = await Server.start({ data });
    const books = await again.drained();
    assert.ok(books.applied >= acknowledged, `${books.applied} of ${acknowledged}`);
    assert.equal(books.balanced, true);
    console.log(`ready again after ${Date.now() - began} ms, ${acknowledged} acknowledged, ${books.applied} applied`);
    // The recommender was rebuilt from the warehouse: what was known before is known now.
    const answer = await again.json('/v1/recommendations?user=someone&n=5');
    assert.deepEqual(answer.items.map((i) => i.id), ['p1']);
    await again.stop();
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});

test('topics of any bytes survive a restart', async () => {
  const data = await temporaryDir();
  try {
    let server = await Server.start({ data });
    assert.equal((await server.post('/v1/topics/photos/messages', 'x')).status, 404);
    assert.equal((await server.fetch('/v1/topics/photos?partitions=1&content_type=image/png', { method: 'PUT' })).status, 200);
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    assert.deepEqual(await (await server.post('/v1/topics/photos/messages', bytes, { 'content-type': 'image/png', 'x-key': 'k' })).json(), { partition: 0, offset: 0 });
    assert.equal((await server.post('/v1/topics/events/messages', 'x')).status, 403, 'the platform writes its own topics');
    await server.kill();
    server = await Server.start({ data });
    const { messages } = await server.json('/v1/topics/photos/messages?partition=0&offset=0');
    assert.deepEqual(Uint8Array.from(Buffer.from(messages[0].value_base64, 'base64')), bytes);
    assert.equal(messages[0].key, 'k');
    await server.stop();
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
