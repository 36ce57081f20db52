import { describe, expect, test } from 'vitest';
import { callOf, pageOf, questionOf, withItem, withoutItem } from './question.ts';

const asked = (text: string) => questionOf(new URLSearchParams(text));

describe('a question', () => {
  test('is in the address, and comes back from it', () => {
    const address = '/recommend?user=u1&items=a%2Cb&placement=cart&country=CH&filter=price%3C5&n=20';
    expect(pageOf(asked(address.split('?')[1]!))).toBe(address);
    expect(pageOf(asked(''))).toBe('/recommend');
  });

  test('takes what makes no sense as not said', () => {
    expect(asked('placement=nowhere&n=7&items=,a,,a')).toEqual({
      user: '',
      items: ['a'],
      placement: 'home',
      country: '',
      filter: '',
      n: 10,
    });
  });

  test('has the last click last, each item once, and fifty at the most', () => {
    expect(withItem(asked('items=a,b'), 'a').items).toEqual(['b', 'a']);
    expect(withoutItem(asked('items=a,b'), 'a').items).toEqual(['b']);
    const many = Array.from({ length: 60 }, (_, i) => `i${i}`).join(',');
    expect(withItem(asked(`items=${many}`), 'new').items).toHaveLength(50);
  });

  test('asks for an explanation, and goes on from a cursor', () => {
    expect(callOf(asked('user=a b'), 'c1')).toBe('/v1/recommendations?user=a+b&n=10&explain=1&cursor=c1');
  });
});
