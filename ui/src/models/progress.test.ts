import { expect, it } from 'vitest';
import { advance, atFirst } from './progress.ts';

const after = (...steps: string[]) => steps.reduce(advance, atFirst);

it('goes through the phases', () => {
  expect(after('reading').phase).toBe(0);
  expect(after('reading', 'popularity: training').phase).toBe(1);
  expect(after('reading', 'near: judging', 'near: training on everything').phase).toBe(2);
  expect(after('near: training on everything', 'writing')).toEqual({ phase: 3, step: 'writing', share: undefined });
});

it('counts rounds, and does not go back with them', () => {
  expect(after('near: training', 'near: round 2 of 8')).toMatchObject({ phase: 1, share: 0.25 });
  expect(after('near: training on everything', 'near: round 8 of 8')).toMatchObject({ phase: 2, share: 1 });
});

it('bears words it does not know', () => {
  expect(after('reading', 'looking at the sky')).toMatchObject({ phase: 1, step: 'looking at the sky' });
});
