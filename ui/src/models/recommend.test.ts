import { expect, it } from 'vitest';
import { idsOf, namesQuery } from './recommend.ts';

it('reads ids, each once, in order', () => {
  expect(idsOf(' b, a ,,b,')).toEqual(['b', 'a']);
  expect(idsOf('  ')).toEqual([]);
});

it('asks for names of ids that would be SQL', () => {
  expect(namesQuery(["x'); DROP TABLE events; --", 'y'])).toContain("IN ('x''); DROP TABLE events; --', 'y')");
});
