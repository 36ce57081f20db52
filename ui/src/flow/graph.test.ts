import { assert, test } from 'vitest';
import { graphOf } from './graph.ts';
import type { FlowSnapshot } from './types.ts';

const snapshot = (clock_s: number, events: number): FlowSnapshot => ({
  time: '2026-01-31T12:00:00Z',
  clock_s,
  books: {
    received: events * 2,
    logged: events * 2 - 1,
    quarantined: 1,
    applied: events,
    duplicate: 0,
    quarantined_later: 0,
    pending: 0,
    balanced: true,
  },
  log: { partitions: 1, bytes: 1, newest: null },
  jobs: [
    { name: 'subscriptions', records: 0 },
    { name: 'recommend', events, records: events, lag_records: 0, lag_seconds: 0 },
    { name: 'load', events, records: events, lag_records: 9, lag_seconds: 60 },
    { name: 'archive', events: 0, records: 0, lag_records: 0, lag_seconds: 0 },
  ],
  counters: { collect_events_total: events },
  subscriptions: [],
  quarantine: { columns: [], rows: [] },
});

test('nothing is drawn of nothing', () => assert.strictEqual(graphOf([]), undefined));

test('one snapshot has no rates yet', () => {
  const graph = graphOf([snapshot(1, 100)])!;
  assert.strictEqual(graph.eventsPerSecond, 0);
  assert.deepEqual(
    graph.jobs.map(({ figures }) => figures.name),
    ['load', 'archive', 'recommend', 'subscriptions'],
  );
});

test('rates go over the last five seconds, and files are what HTTP did not bring', () => {
  const kept = [0, 1, 2, 3, 4, 5, 6].map((i) => snapshot(i + 1, i * 10));
  const graph = graphOf(kept)!;
  assert.strictEqual(graph.jobs[0]!.rate, 10);
  assert.strictEqual(graph.eventsPerSecond, 20);
  assert.deepEqual(
    graph.sources.map(({ rate }) => rate),
    [10, 10],
  );
  assert.strictEqual(graph.jobs[0]!.health.state, 'behind');
  assert.strictEqual(graph.state, 'behind');
});
