// ctest: timeout 600
// 36 hours of a real news site, streamed: shuffled by up to ten seconds, one event in twenty sent again later, one in
// fifty late by up to six hours, and the server killed on the way. What the tables then say must equal the same
// files loaded as a batch, and a count that this file makes by itself. As fast as it goes; MILLRACE_SOAK=1 paces it
// at a thousand times the speed of life.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { csvRows } from '../support/csv.mjs';
import { Server, run, sharedData, temporaryDir } from '../support/millrace.mjs';

const first = sharedData('news/clicks_hour_000.csv.gz');
const kBatch = 500;
const kSpeed = process.env.MILLRACE_SOAK ? 1000 : Infinity;

/** Numbers from 0 to 1 that are the same in every run (a linear congruential generator, Numerical Recipes). */
function random(seed) {
  let state = seed;
  return () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
}

function newsFiles() {
  const folder = path.dirname(first);
  return readdirSync(folder).filter((f) => f.startsWith('clicks_hour_')).sort().map((f) => path.join(folder, f));
}

async function readClicks() {
  const clicks = [];
  for (const file of newsFiles()) {
    for await (const [user, session, , , article, ms] of csvRows(file)) {
      clicks.push({ id: `c${clicks.length}`, user, session, article, ms: Number(ms) });
    }
  }
  return clicks;
}

/** The order of arrival: [time of arrival, click], duplicates included. */
function disturb(clicks) {
  const chance = random(20171001);
  const arrivals = [];
  for (const click of clicks) {
    const late = chance() < 0.02 ? chance() * 6 * 3_600_000 : 0;
    const arrival = click.ms + chance() * 10_000 + late;
    arrivals.push([arrival, click]);
    if (chance() < 0.05) arrivals.push([arrival + chance() * 120_000, click]);
  }
  return arrivals.sort((a, b) => a[0] - b[0]);
}

const eventOf = ({ id, user, session, article, ms }) => ({
  type: 'read', message_id: id, user_id: user, session_id: session, items: [{ item_id: article }],
  event_time: ms * 1000,
});

/** Send all; kill the server in the middle and go on with the batch that got no answer. Returns the last server. */
async function stream(server, data, arrivals) {
  const began = Date.now();
  let killAt = Math.floor(arrivals.length / 2 / kBatch) * kBatch;
  for (let at = 0; at < arrivals.length; at += kBatch) {
    const due = began + (arrivals[at][0] - arrivals[0][0]) / kSpeed;
    if (due > Date.now()) await new Promise((r) => setTimeout(r, due - Date.now()));
    const body = arrivals.slice(at, at + kBatch).map(([, click]) => JSON.stringify(eventOf(click))).join('\n');
    const sent = server.post('/v1/events', body);
    if (at === killAt) {
      sent.catch(() => {});  // its answer may be lost with the server; it is sent again
      await server.kill();
      server = await Server.start({ data });
      killAt = -1;
      at -= kBatch;
      continue;
    }
    const answer = await sent;
    assert.equal(answer.status, 200, await answer.clone().text());
  }
  return server;
}

/** [minute, clicks] in order. */
function minutesOf(clicks) {
  const counts = new Map();
  for (const { ms } of clicks) {
    const minute = Math.floor(ms / 60_000);
    counts.set(minute, (counts.get(minute) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => a[0] - b[0]);
}

function topArticles(clicks) {
  const counts = new Map();
  for (const { article } of clicks) counts.set(article, (counts.get(article) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, 20);
}

const kMinutes = 'SELECT epoch_us(event_time) // 60000000, count(*) FROM events GROUP BY 1 ORDER BY 1';
const kArticles = 'SELECT item_id, count(*) AS n FROM events GROUP BY 1 ORDER BY n DESC, item_id LIMIT 20';
const kSessions = `SELECT count(*), CAST(sum(hash(session_id, user_id, start_time, end_time, events)) AS VARCHAR) FROM visits`;

async function rowsOf(server, query) {
  return (await server.sql(query)).map(([key, count]) => [key, Number(count)]);
}

test('news: a disturbed stream counts as the batch does', { skip: first ? false : 'no shared data: news/ is not on this machine' }, async (t) => {
  const clicks = await readClicks();
  assert.equal(clicks.length, 215_511);
  const arrivals = disturb(clicks);
  const data = await temporaryDir();
  const streamed = await stream(await Server.start({ data }), data, arrivals);
  t.after(() => streamed.stop());
  const books = await streamed.drained(240_000);
  assert.equal(books.balanced, true, JSON.stringify(books));
  assert.deepEqual(await rowsOf(streamed, kMinutes), minutesOf(clicks));
  assert.deepEqual(await rowsOf(streamed, kArticles), topArticles(clicks));
  const sessions = new Set(clicks.map(({ session, user }) => `${session} ${user}`));

  const batch = await Server.start();
  t.after(() => batch.stop());
  const loaded = await run(['ingest', 'csv', '--map', 'examples/news/mappings/news_clicks.yaml', ...newsFiles(), '--data', batch.data]);
  assert.equal(loaded.code, 0, loaded.stderr);
  await batch.drained(240_000);
  const [counted] = await streamed.sql(kSessions);
  assert.equal(counted[0], sessions.size);
  assert.deepEqual(counted, (await batch.sql(kSessions))[0]);
  assert.deepEqual(await rowsOf(streamed, kMinutes), await rowsOf(batch, kMinutes));
});
