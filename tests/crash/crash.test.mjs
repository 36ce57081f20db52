// Kill the server at random moments under load; then every acknowledged event is in the warehouse
// exactly once and the books balance. MILLRACE_CRASHES sets the number of kills (3; the soak uses 50).
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { Server, temporaryDir } from '../support/millrace.mjs';

const kills = Number(process.env.MILLRACE_CRASHES ?? 3);
const seed = Number(process.env.MILLRACE_SEED ?? 20_26);

/** mulberry32: small, seeded, good enough to pick moments. */
function random(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** One producer: sends batches until told to stop; remembers what was acknowledged, and retries like a real
 * client: the same message ids again when the outcome is unknown. */
async function produce(server, name, acknowledged, attempted, unknown, running) {
  for (let n = 0; running(); n++) {
    const batch = [];
    for (let i = 0; i < 10; i++) {
      const messageId = `${name}-${n}-${i}`;
      batch.push({ type: 'track', event: 'Product Viewed', messageId, anonymousId: `${name}-${i}`,
        timestamp: new Date().toISOString(), properties: { product_id: `p${i}` } });
      attempted.add(messageId);
    }
    for (let attempt = 0; attempt < 2 && running(); attempt++) {
      try {
        const answer = await server.post('/v1/batch', { batch });
        if (answer.status !== 200) continue;
        const body = await answer.json();
        assert.equal(body.accepted, 10);
        for (const event of batch) acknowledged.add(event.messageId);
        if (n % 7 !== 0) break;  // now and then a producer retries what had been acknowledged
      } catch {
        unknown.push(batch);  // the server is gone; nobody knows whether it had kept the batch
        return;
      }
    }
  }
}

/** Send again, to the server that came after, what had no answer: the same message ids. */
async function sendAgain(server, unknown, acknowledged) {
  for (const batch of unknown.splice(0)) {
    const answer = await server.post('/v1/batch', { batch });
    assert.equal(answer.status, 200);
    for (const event of batch) acknowledged.add(event.messageId);
  }
}

test(`${kills} kills under load lose nothing and count nothing twice`, { timeout: kills * 60_000 }, async () => {
  const data = await temporaryDir();
  const draw = random(seed);
  const acknowledged = new Set();
  const attempted = new Set();
  const unknown = [];
  let resent = 0;
  try {
    for (let kill = 0; kill < kills; kill++) {
      const server = await Server.start({ data });
      resent += unknown.length;
      await sendAgain(server, unknown, acknowledged);
      let stop = false;
      const producers = [];
      for (let p = 0; p < 8; p++) producers.push(produce(server, `k${kill}-p${p}`, acknowledged, attempted, unknown, () => !stop));
      await new Promise((r) => setTimeout(r, 100 + draw() * 1500));
      await server.kill();
      stop = true;
      await Promise.all(producers);
    }
    const server = await Server.start({ data });
    resent += unknown.length;
    await sendAgain(server, unknown, acknowledged);
    const books = await server.drained(60_000);
    assert.equal(books.balanced, true, JSON.stringify(books));
    const rows = await server.sql('SELECT count(*), count(DISTINCT message_id) FROM events');
    assert.equal(rows[0][0], rows[0][1], 'an event is in the warehouse twice');
    const present = new Set();
    for (let p = 0; p < 8; p++) {
      for (let kill = 0; kill < kills; kill++) {
        for (const [id] of await server.sql(`SELECT message_id FROM events WHERE message_id LIKE 'k${kill}-p${p}-%' LIMIT 100000`)) present.add(id);
      }
    }
    const lost = [...acknowledged].filter((id) => !present.has(id));
    assert.deepEqual(lost, [], `${lost.length} of ${acknowledged.size} acknowledged events are lost`);
    for (const id of present) assert.ok(attempted.has(id), `${id} was never sent`);
    assert.ok(acknowledged.size > kills * 50, `too little load to prove anything: ${acknowledged.size}`);
    assert.ok(resent > 0, 'no batch was under way at a kill: nothing was proven about those');
    console.log(`sent again ${resent} batches, acknowledged ${acknowledged.size}, present ${present.size}, books ${JSON.stringify(books)}`);
    await server.stop();
  } finally {
    await rm(data, { recursive: true, force: true });
  }
});
