import { describe, expect, it } from 'vitest';
import { changesOf } from './recommendations.ts';

const entry = (id: string, text: string) => ({
  id,
  score: 1,
  source: 'popular',
  reason: { code: 'c', text, because: [] },
});

describe('changesOf', () => {
  it('finds what came in and what stays for another reason', () => {
    const before = [entry('a', 'Sold most'), entry('b', 'Sold most')];
    const next = [entry('b', 'Goes with x'), entry('c', 'Goes with x'), entry('a', 'Sold most')];
    expect([...changesOf(before, next)]).toEqual([
      ['b', 'new reason'],
      ['c', 'new'],
    ]);
  });

  it('finds nothing in the same list in another order, nor at first', () => {
    const list = [entry('a', 'x'), entry('b', 'y')];
    expect(changesOf(list, [...list].reverse()).size).toBe(0);
    expect(changesOf([], list).size).toBe(0);
  });
});
