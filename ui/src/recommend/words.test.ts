import { expect, test } from 'vitest';
import { byCount, sourceWords, stepsOf, stepWords } from './words.ts';

test('models keep their names', () => {
  expect(sourceWords('co_seen')).toBe('Looked at together');
  expect(sourceWords('for_you')).toBe('for_you');
  expect(stepWords('model:for_you')).toBe('model for_you');
});

test('steps are in their order, and no time counts twice', () => {
  const steps = stepsOf({ rank: 3, models: 7, context: 1, 'model:b': 4, candidates: 2, 'model:a': 3 });
  expect(steps.map(([name]) => name)).toEqual(['context', 'model:a', 'model:b', 'candidates', 'rank']);
});

test('counts are told most first', () => {
  expect(byCount({ a: 1, c: 2, b: 2 })).toEqual([
    ['b', 2],
    ['c', 2],
    ['a', 1],
  ]);
});
