import { shapeOf } from './art_shapes.ts';

interface Palette {
  ground: string;
  hill: string;
  body: string;
  shade: string;
  accent: string;
}

/** A style's word in the name chooses the palette, so that a range of products looks like one. */
const styled: [RegExp, Palette][] = [
  [/^rustic/i, { ground: '#ead9c3', hill: '#dcc4a5', body: '#9a6235', shade: '#6d4222', accent: '#d9a066' }],
  [/^plain/i, { ground: '#dfe6e2', hill: '#cbd6d1', body: '#7c9590', shade: '#556d69', accent: '#f4f6f2' }],
  [/^bright/i, { ground: '#fbe3b6', hill: '#f6cf8a', body: '#d9573c', shade: '#a93a28', accent: '#2f8d9a' }],
  [/^fine/i, { ground: '#cfdde6', hill: '#b5cad8', body: '#24506b', shade: '#16374c', accent: '#e0bd6d' }],
];

const others: Palette[] = [
  { ground: '#d6e8e4', hill: '#bcd9d4', body: '#1f7a84', shade: '#0f535d', accent: '#f0c987' },
  { ground: '#efe0da', hill: '#e2cac0', body: '#b5614b', shade: '#84402e', accent: '#f3d9b1' },
  { ground: '#e0e6d0', hill: '#cad4b1', body: '#5f7f45', shade: '#405a2d', accent: '#eec368' },
  { ground: '#e3dfee', hill: '#cfc8e2', body: '#6a5b95', shade: '#4a3d70', accent: '#f0d4a0' },
];

/** A number from a text, the same everywhere (FNV-1a). */
export function numberOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash;
}

/** A product's picture, drawn from its id and name alone. Decoration: the name stands beside it. */
export function Art({ id, name }: { id: string; name: string }) {
  const number = numberOf(id);
  const colors = styled.find(([word]) => word.test(name))?.[1] ?? others[numberOf(name) % others.length]!;
  const left = 18 + (number % 5) * 16;
  const size = 26 + ((number >> 4) % 4) * 5;
  return (
    <svg
      viewBox="0 0 100 100"
      width="100%"
      height="100%"
      preserveAspectRatio="xMidYMid slice"
      className="art"
      aria-hidden="true"
    >
      <rect width="100" height="100" fill={colors.ground} />
      <circle cx={left} cy={84 - size * 0.7} r={size} fill={colors.hill} />
      <rect y="82" width="100" height="18" fill={colors.hill} />
      <ellipse cx="50" cy="83" rx="30" ry="2.6" fill={colors.shade} opacity=".22" />
      {shapeOf(name, number).map(([part, d]) => (
        <path key={d} d={d} fill={colors[part]} />
      ))}
    </svg>
  );
}
