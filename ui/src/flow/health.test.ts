import { assert, test } from 'vitest';
import { before, jobHealth, rateOf, short, subscriptionHealth, worst } from './health.ts';
import type { FlowSnapshot, Subscription } from './types.ts';

test('a job that keeps up is in step, one that moves on is behind, one that does not stands still', () => {
  assert.strictEqual(
    jobHealth({ name: 'load', lag_records: 3, lag_seconds: 0.2, records: 9 }, undefined, 0).state,
    'ok',
  );
  const late = { name: 'load', lag_records: 3, lag_seconds: 60, records: 9 };
  assert.strictEqual(jobHealth(late, { ...late, records: 8 }, 30).state, 'behind');
  assert.strictEqual(jobHealth(late, late, 30).state, 'stalled');
  assert.strictEqual(jobHealth(late, late, 3).state, 'behind', 'three seconds prove nothing');
});

test('the archive is a minute behind and well', () => {
  assert.strictEqual(
    jobHealth({ name: 'archive', lag_records: 900, lag_seconds: 70, records: 0 }, undefined, 30).state,
    'ok',
  );
});

test('errors count while nothing moves', () => {
  const now = { name: 'load', lag_records: 1, lag_seconds: 1, records: 5, errors: 4 };
  assert.strictEqual(jobHealth(now, { ...now, errors: 2 }, 10).state, 'failing');
  assert.strictEqual(jobHealth(now, { ...now, errors: 2, records: 1 }, 10).state, 'ok');
});

test('a subscription fails with its endpoint, or when messages are given up', () => {
  const one: Subscription = {
    name: 's',
    topic: 't',
    kind: 'push',
    backlog: 4,
    outstanding: 1,
    oldest_s: 90,
    delivered: 9,
    acked: 5,
    nacked: 0,
    expired: 0,
    dead: 0,
    lost: 0,
    dead_letter_topic: '',
    error: '',
  };
  assert.strictEqual(subscriptionHealth({ ...one, error: 'answered 500' }, one).state, 'failing');
  assert.strictEqual(subscriptionHealth({ ...one, dead: 1 }, one).state, 'failing');
  assert.strictEqual(subscriptionHealth(one, one).state, 'stalled');
  assert.strictEqual(subscriptionHealth({ ...one, acked: 6 }, one).state, 'behind');
  assert.strictEqual(subscriptionHealth({ ...one, backlog: 0 }, one).state, 'ok');
});

test('the worst state wins', () => {
  assert.strictEqual(worst(['ok', 'behind', 'failing']), 'failing');
  assert.strictEqual(worst([]), 'ok');
});

test('durations have one unit', () => {
  assert.deepEqual([0, 0.0021, 0.2, 3.14, 42, 150, 7200, 900_000].map(short), [
    '0 s',
    '2.1 ms',
    '200 ms',
    '3.1 s',
    '42 s',
    '3 min',
    '2 h',
    '10 d',
  ]);
});

test('rates are differences, and never below zero', () => {
  assert.strictEqual(rateOf(30, 10, 4), 5);
  assert.strictEqual(rateOf(3, 10, 4), 0, 'a server that was started anew');
  assert.strictEqual(rateOf(3, undefined, 4), 0);
});

test('looks back as far as there is anything', () => {
  const kept = [1, 2, 3, 4].map((clock_s) => ({ clock_s }) as FlowSnapshot);
  assert.strictEqual(before(kept, 2)?.clock_s, 2);
  assert.strictEqual(before(kept, 60)?.clock_s, 1);
  assert.strictEqual(before([], 1), undefined);
});
