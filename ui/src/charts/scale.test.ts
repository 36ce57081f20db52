import { describe, expect, it } from 'vitest';
import { scaleOf, tickWords } from './scale.ts';

describe('a scale', () => {
  it('has round ends around its values', () => {
    const scale = scaleOf([0.213, 0.287]);
    expect(scale.ticks).toEqual([0.2, 0.22, 0.24, 0.26, 0.28, 0.3]);
    expect(scale.at(0.25)).toBeCloseTo(0.5);
    expect(tickWords(scale)).toEqual(['0.20', '0.22', '0.24', '0.26', '0.28', '0.30']);
  });

  it('has every value within', () => {
    for (const values of [[0.1, 0.2], [-0.03, 0.07], [0, 1234], [0.0001, 0.00013], [5]]) {
      const { at } = scaleOf(values);
      for (const value of values) {
        expect(at(value), String(values)).toBeGreaterThanOrEqual(0);
        expect(at(value), String(values)).toBeLessThanOrEqual(1);
      }
    }
  });

  it('is one even of nothing, and of what are no numbers', () => {
    expect(scaleOf([]).ticks.length).toBeGreaterThan(1);
    expect(scaleOf([Number.NaN, 2, 3]).low).toBe(2);
    expect(scaleOf([0, 0]).high).toBeGreaterThan(0);
  });
});
