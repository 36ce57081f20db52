import { describe, expect, it } from 'vitest';
import { flowOf, outline, unaccounted } from './flow.ts';

const books = {
  received: 1000,
  logged: 990,
  quarantined: 10,
  applied: 600,
  duplicate: 380,
  quarantined_later: 0,
  pending: 10,
  late: 4,
  balanced: true,
};

describe('flowOf', () => {
  it('never lets two streams of a column touch', () => {
    for (const nodes of flowOf(books).columns) {
      nodes.slice(1).forEach((node, i) => expect(node.y).toBeGreaterThan(nodes[i]!.y + nodes[i]!.thickness));
    }
  });

  it('draws what is little but not nothing, and nothing for nothing', () => {
    const [, second, third] = flowOf({ ...books, quarantined: 1, received: 1_000_000 }).columns;
    expect(second[1]!.thickness).toBe(2);
    expect(third[2]!.thickness).toBe(0);
  });

  it('is as thick as its share', () => {
    const flow = flowOf(books);
    expect(flow.columns[2][0]!.thickness / flow.columns[0][0]!.thickness).toBeCloseTo(0.6);
    expect(flow.height).toBeLessThan(360);
  });

  it('outlines without NaN when nothing came', () => {
    const empty = flowOf({ ...books, received: 0, logged: 0, quarantined: 0, applied: 0, duplicate: 0, pending: 0 });
    for (const ribbon of empty.ribbons.flat()) expect(outline(ribbon, 100)).not.toContain('NaN');
  });
});

describe('unaccounted', () => {
  it('is nothing when both equations hold', () => expect(unaccounted(books)).toBe(0));
  it('counts what is missing on either side', () => {
    expect(unaccounted({ ...books, received: 1003 })).toBe(3);
    expect(unaccounted({ ...books, applied: 598 })).toBe(2);
  });
});
