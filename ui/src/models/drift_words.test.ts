import { expect, it } from 'vitest';
import { driftSign, inputName, movedWords, ruleSentence } from './drift_words.ts';
import type { InputDrift } from './types.ts';

const input: InputDrift = {
  of: 'interactions',
  name: 'item',
  psi: 0.5,
  by_chance: 0.1,
  beyond_chance: 0.4,
  state: 'shifted',
  moved_most: [{ value: 'pot', before: 0.02, since: 0.3 }],
};

it('says which bins moved, of what has moved alone', () => {
  expect(movedWords(input)).toBe('pot: 2.0% → 30.0%');
  expect(movedWords({ ...input, state: 'stable' })).toBe('');
});

it('names inputs', () => {
  expect(inputName(input)).toBe('item');
  expect(inputName({ ...input, of: 'users', name: 'age' })).toBe('users: age');
});

it('makes a sentence of the rule', () => {
  expect(ruleSentence('only when asked')).toBe('Trained again only when asked.');
  expect(ruleSentence('every 7d; looked at every 1h')).toBe('Trained again every 7d; looked at every 1h.');
  expect(ruleSentence('looked at every 1h')).toBe('Trained again only when asked; looked at every 1h.');
});

it('has a sign for every verdict', () => {
  expect(driftSign('fine').state).toBe('better');
  expect(driftSign('too_little').state).toBe('unclear');
  for (const verdict of ['inputs_moved', 'worse_than_made', 'worse_than_popularity'] as const)
    expect(driftSign(verdict).state).toBe('worse');
});
