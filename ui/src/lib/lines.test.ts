import { expect, it } from 'vitest';
import { LineParser } from './lines.ts';

it('gives lines whole, wherever the pieces end', () => {
  const lines = new LineParser<{ n: number }>();
  expect(lines.push('{"n":1}\n{"n"')).toEqual([{ n: 1 }]);
  expect(lines.push(':2}')).toEqual([]);
  expect(lines.push('\n\n{"n":3}\r\n')).toEqual([{ n: 2 }, { n: 3 }]);
});

it('does not take what is no JSON for a line', () => {
  expect(() => new LineParser().push('<html>\n')).toThrow();
});
