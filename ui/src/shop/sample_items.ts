/** A handful of products for a shop that has none, our own inventions: each thing in two styles. */
const things: [string, string, string][] = [
  ['Watering Can', 'Garden/Planting', '24.5000'],
  ['Clay Pot', 'Garden/Planting', '9.0000'],
  ['Rake', 'Garden/Tools', '31.0000'],
  ['Hand Trowel', 'Garden/Tools', '14.5000'],
  ['Stock Pot', 'Kitchen/Cooking', '58.0000'],
  ['Bread Knife', 'Kitchen/Cooking', '27.0000'],
  ['Jug', 'Kitchen/Table', '19.5000'],
  ['Soup Bowl', 'Kitchen/Table', '12.0000'],
  ['Notebook', 'Paper/Writing', '7.5000'],
  ['Fountain Pen', 'Paper/Writing', '42.0000'],
  ['Storm Glass', 'Lighting/Candles', '16.0000'],
  ['Reading Light', 'Lighting/Lamps', '64.0000'],
];
const styles = ['Rustic', 'Bright'];

export const sampleItems = styles.flatMap((style, s) =>
  things.map(([thing, category, price], i) => ({
    id: `SAMPLE-${String(s * things.length + i + 1).padStart(2, '0')}`,
    name: `${style} ${thing}`,
    category,
    price,
    currency: 'EUR',
    available: true,
  })),
);
