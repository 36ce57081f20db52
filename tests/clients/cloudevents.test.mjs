// The CloudEvents JavaScript SDK, unchanged, in its three modes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { CloudEvent, HTTP, httpTransport, emitterFor, Mode } from 'cloudevents';
import { Server } from '../support/millrace.mjs';

let server;
before(async () => (server = await Server.start()));
after(() => server.stop());

const view = (id, item) =>
  new CloudEvent({
    id,
    source: '/shop/web',
    type: 'item_view',
    time: new Date().toISOString(),
    datacontenttype: 'application/json',
    data: { user_id: 'ce-user', items: [item] },
  });

for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
  test(`${mode} mode, sent twice, is one row`, async () => {
    const emit = emitterFor(httpTransport(`${server.url}/v1/events`), { mode });
    const event = view(`ce-${mode}`, `ce-item-${mode}`);
    await emit(event);
    await emit(event);
    const books = await server.drained();
    assert.equal(books.balanced, true);
    const rows = await server.sql(
      `SELECT type, user_id, item_id FROM events WHERE message_id = '/shop/web#ce-${mode}'`,
    );
    assert.deepEqual(rows, [['item_view', 'ce-user', `ce-item-${mode}`]]);
  });
}

test('a batch of structured events', async () => {
  const events = [1, 2, 3].map((i) => JSON.parse(HTTP.structured(view(`ce-batch-${i}`, `ce-b${i}`)).body));
  const answer = await server.post('/v1/events', events, { 'content-type': 'application/cloudevents-batch+json' });
  assert.equal(answer.status, 200);
  assert.deepEqual(await answer.json(), { success: true, accepted: 3, quarantined: 0 });
  await server.drained();
  const [[n]] = await server.sql("SELECT count(*) FROM events WHERE message_id LIKE '/shop/web#ce-batch-%'");
  assert.equal(n, 3);
});

test('the webhook handshake of CloudEvents', async () => {
  const answer = await server.fetch('/v1/events', {
    method: 'OPTIONS',
    headers: { 'WebHook-Request-Origin': 'events.example', 'WebHook-Request-Rate': '120' },
  });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers.get('webhook-allowed-origin'), 'events.example');
});
