import type { Books } from './types.ts';

/** The layout of the books' picture: events as water that parts and parts again. */
export interface Node {
  key: keyof Books;
  value: number;
  /** Top of its slot, and thickness of its stream, in pixels. */
  y: number;
  thickness: number;
  slot: number;
}

export interface Ribbon {
  from: { y: number };
  to: { y: number };
  thickness: number;
  key: keyof Books;
}

export interface Flow {
  columns: [Node[], Node[], Node[]];
  /** Between the first two columns, and between the last two. */
  ribbons: [Ribbon[], Ribbon[]];
  height: number;
}

const wholeThickness = 104;
const slotMin = 44;
const gap = 8;

/** Lay out the streams of `books`. A stream that carries anything is at least 2 pixels thick. */
export function flowOf(books: Books): Flow {
  const whole = Math.max(1, books.received);
  const thicknessOf = (n: number) => (n <= 0 ? 0 : Math.max(2, (n / whole) * wholeThickness));
  const column = (keys: (keyof Books)[]): Node[] => {
    let y = 0;
    return keys.map((key) => {
      const value = Number(books[key]);
      const thickness = thicknessOf(value);
      const node = { key, value, y, thickness, slot: Math.max(slotMin, thickness) };
      y += node.slot + gap;
      return node;
    });
  };
  const columns: Flow['columns'] = [
    column(['received']),
    column(['logged', 'quarantined']),
    column(['applied', 'duplicate', 'quarantined_later', 'pending']),
  ];
  const ends = columns.map((nodes) => nodes.at(-1)!.y + nodes.at(-1)!.slot);
  return {
    columns,
    ribbons: [part(columns[0][0]!, columns[1]), part(columns[1][0]!, columns[2])],
    height: Math.max(...ends),
  };
}

/** Divide the stream of `from` among `to`, from its top downwards. */
function part(from: Node, to: Node[]): Ribbon[] {
  let y = from.y;
  return to.map((node) => {
    const ribbon = { from: { y }, to: { y: node.y }, thickness: node.thickness, key: node.key };
    y += node.thickness;
    return ribbon;
  });
}

/** The outline of a ribbon in a box `width` wide. It runs level under its label, then bends. */
export function outline({ from, to, thickness }: Ribbon, width: number): string {
  const bend = width * 0.4;
  const middle = width * 0.7;
  const top = `M0 ${from.y} H${bend} C${middle} ${from.y} ${middle} ${to.y} ${width} ${to.y}`;
  const bottom = `V${to.y + thickness} C${middle} ${to.y + thickness} ${middle} ${from.y + thickness} ${bend} ${from.y + thickness} H0 Z`;
  return `${top} ${bottom}`;
}

/** How many events the books cannot account for; 0 when both equations hold. */
export function unaccounted(books: Books): number {
  const first = books.received - books.logged - books.quarantined;
  const second = books.logged - books.applied - books.duplicate - books.quarantined_later - books.pending;
  return Math.abs(first) + Math.abs(second);
}
