import { assert, test } from 'vitest';
import { isRecordId, type LogLine, merged, queryOf } from './use_logs.ts';

test('a record is told from a text', () => {
  assert.ok(isRecordId('events:0:1234'));
  assert.ok(isRecordId('my.topic-1:12:0'));
  for (const text of ['events:0', 'events:0:12x', 'a b:0:1', '12:00:00 noon', '']) assert.ok(!isRecordId(text), text);
});

test('what is asked for', () => {
  assert.strictEqual(queryOf({ level: '', component: '', text: ' ' }), '');
  assert.strictEqual(queryOf({ level: 'error', component: 'load', text: 'a&b' }), 'level=error&component=load&q=a%26b');
  assert.strictEqual(queryOf({ level: '', component: '', text: ' events:0:7 ' }), 'record=events%3A0%3A7');
});

test('no line is shown twice, and not more than the eye can follow', () => {
  const line = (n: number) => ({ position: `1:${n}` }) as LogLine;
  const old = [line(2), line(1)];
  assert.strictEqual(merged(old, [line(2)]), old);
  assert.deepEqual(
    merged(old, [line(3)]).map(({ position }) => position),
    ['1:3', '1:2', '1:1'],
  );
  let many: LogLine[] = [];
  for (let i = 0; i < 700; i++) many = merged(many, [line(i)]);
  assert.strictEqual(many.length, 500);
});
