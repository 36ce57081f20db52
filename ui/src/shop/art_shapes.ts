/**
 * The shapes of product pictures: paths in a box of 100 by 100 standing on the line y = 82. Each part is
 * filled with a colour of the picture's palette: body, shade of the body, or accent.
 */
export type Part = ['body' | 'shade' | 'accent', string];

const tool: Part[] = [
  ['body', 'M47 22h6l1 46h-8Z'],
  ['accent', 'M44 60h12v7H44Z'],
  ['shade', 'M34 68c0-4 32-4 32 0l-3 14c-8-4-18-4-26 0Z'],
];
const rake: Part[] = [
  ['body', 'M47.5 18h5l1 50h-7Z'],
  ['accent', 'M28 66h44v5H28Z'],
  ['shade', 'M29 71h4v11h-4ZM39 71h4v11h-4ZM48 71h4v11h-4ZM57 71h4v11h-4ZM67 71h4v11h-4Z'],
];
const mallet: Part[] = [
  ['shade', 'M46.5 42h7l1.5 40h-10Z'],
  ['body', 'M28 22h44v22H28Z'],
  ['accent', 'M28 22h7v22h-7ZM65 22h7v22h-7Z'],
];
const blade: Part[] = [
  ['body', 'M46 18c10 6 12 22 10 38H44V20Z'],
  ['accent', 'M43 56h14v4H43Z'],
  ['shade', 'M45 60h10v20c0 3-10 3-10 0Z'],
];
const can: Part[] = [
  ['shade', 'M66 44c14-6 18 8 12 16-4 6-10 8-14 8v-5c8-2 14-8 12-13-2-4-6-3-10-1Z'],
  ['body', 'M34 40h34l4 42H30Z'],
  ['body', 'M33 58 16 38l4-3 14 10Z'],
  ['accent', 'M34 40h34l.8 8H33.2Z'],
  ['shade', 'M12 34l10-4 1 6-8 4Z'],
];
const jug: Part[] = [
  ['shade', 'M64 40c16-2 18 22-1 26v-5c11-4 11-17 1-16Z'],
  ['body', 'M36 26h26c0 10 8 16 8 32 0 14-6 24-12 24H42c-6 0-12-10-12-24 0-16 6-22 6-32Z'],
  ['accent', 'M30.4 54h39.3c.5 6-.2 9-1 12H31.4c-1-4-1.3-8-1-12Z'],
];
const kettle: Part[] = [
  ['shade', 'M36 40c0-22 28-22 28 0h-5c0-15-18-15-18 0Z'],
  ['body', 'M30 56c0-20 40-20 40 0v20c0 4-3 6-6 6H36c-3 0-6-2-6-6Z'],
  ['body', 'M68 60l14-12 4 4-16 18Z'],
  ['accent', 'M46 37c0-5 8-5 8 0v5h-8Z'],
];
const pot: Part[] = [
  ['body', 'M30 46h40l-5 36H35Z'],
  ['shade', 'M27 38h46v10H27Z'],
  ['accent', 'M50 38c-2-12-12-14-16-14 0 8 6 14 16 14Zm0 0c0-14 8-20 16-22 1 12-5 20-16 22Z'],
];
const bowl: Part[] = [
  ['body', 'M22 50h56c0 18-12 28-28 28S22 68 22 50Z'],
  ['shade', 'M38 76h24v6H38Z'],
  ['accent', 'M22 50h56c0 3-.4 6-1 8H23c-.6-2-1-5-1-8Z'],
];
const stockPot: Part[] = [
  ['shade', 'M20 54h60v6H20Z'],
  ['body', 'M27 46h46v32c0 3-2 4-4 4H31c-2 0-4-1-4-4Z'],
  ['shade', 'M25 39h50v7H25Z'],
  ['accent', 'M45 31h10v8H45Z'],
];
const pan: Part[] = [
  ['shade', 'M66 56l24-7 2 6-25 9Z'],
  ['body', 'M14 52h56v8c0 14-8 20-16 20H30c-8 0-16-6-16-20Z'],
  ['accent', 'M14 52h56v5H14Z'],
];
const box: Part[] = [
  ['body', 'M24 46h52v36H24Z'],
  ['shade', 'M21 36h58v12H21Z'],
  ['accent', 'M44 48h12v12H44Z'],
];
const cabinet: Part[] = [
  ['body', 'M28 24h44v58H28Z'],
  ['shade', 'M33 29h34v13H33ZM33 46h34v13H33ZM33 63h34v13H33Z'],
  ['accent', 'M46 34h8v3h-8ZM46 51h8v3h-8ZM46 68h8v3h-8Z'],
];
const tray: Part[] = [
  ['body', 'M18 62h64l-5 20H23Z'],
  ['accent', 'M30 62c-6-4-7-9-6-14 5 2 8 7 6 14Zm20 0c-7-6-7-13-4-18 6 4 7 11 4 18Zm20 0c-5-4-5-10-2-14 5 3 6 9 2 14Z'],
  ['shade', 'M18 62h64l-1.3 6H19.3Z'],
];
const lamp: Part[] = [
  ['shade', 'M47 48h6v30h-6ZM34 77h32v5H34Z'],
  ['body', 'M38 22h24l10 28H28Z'],
  ['accent', 'M28 50h44l-2 4H30Z'],
];
const lantern: Part[] = [
  ['shade', 'M40 32c0-18 20-18 20 0h-4c0-12-12-12-12 0ZM34 32h32v6H34ZM32 76h36v6H32Z'],
  ['body', 'M36 38h28v38H36Z'],
  ['accent', 'M50 46c7 8 8 13 6 18-2 6-10 6-12 0-2-5 2-8 6-18Z'],
];
const candle: Part[] = [
  ['body', 'M42 42h16v40H42Z'],
  ['accent', 'M50 20c6 7 7 11 5 15-2 4-8 4-10 0-2-4 2-7 5-15Z'],
  ['shade', 'M42 42h16c0 10-5 4-6 12-1 6-4 4-4-2 0-5-6-3-6-10ZM49 34h2v8h-2Z'],
];
const candlestick: Part[] = [
  ['body', 'M45 34h10v22H45Z'],
  ['accent', 'M50 16c5 6 6 9 4 12-2 4-6 4-8 0-2-3 1-6 4-12Z'],
  ['shade', 'M38 54h24v5H38ZM47 59h6v15h-6ZM34 74h32v8H34Z'],
];
const tent: Part[] = [
  ['body', 'M50 26 84 82H16Z'],
  ['shade', 'M50 44 66 82H34Z'],
  ['accent', 'M48 16h4v12h-4ZM52 16l12 4-12 5Z'],
];
const chair: Part[] = [
  ['shade', 'M32 56h5l-4 26h-5ZM63 56h5l4 26h-5ZM45 60h10l-2 22h-6Z'],
  ['body', 'M26 46h48v11H26Z'],
  ['accent', 'M32 22h36v5H32ZM32 27h4v20h-4ZM64 27h4v20h-4Z'],
];
const bag: Part[] = [
  ['shade', 'M38 36c0-20 24-20 24 0h-5c0-13-14-13-14 0Z'],
  ['body', 'M28 40c0-6 44-6 44 0l4 36c0 4-3 6-6 6H30c-3 0-6-2-6-6Z'],
  ['accent', 'M36 56h28v16H36Z'],
];
const bottle: Part[] = [
  ['accent', 'M43 18h14v10H43Z'],
  ['body', 'M44 28h12c0 10 10 10 10 22v28c0 3-2 4-4 4H38c-2 0-4-1-4-4V50c0-12 10-12 10-22Z'],
  ['shade', 'M34 54h32v18H34Z'],
];
const jar: Part[] = [
  ['accent', 'M34 36h32v9H34Z'],
  ['body', 'M30 45h40v31c0 4-2 6-6 6H36c-4 0-6-2-6-6Z'],
  ['shade', 'M30 55h40v15H30Z'],
];
const book: Part[] = [
  ['body', 'M28 24h42c2 0 4 2 4 4v50c0 2-2 4-4 4H28Z'],
  ['shade', 'M28 24h9v58h-9Z'],
  ['accent', 'M45 36h21v4H45ZM45 44h14v3H45ZM62 24h5v20l-2.5-3-2.5 3Z'],
];
const letter: Part[] = [
  ['body', 'M20 38h60v44H20Z'],
  ['shade', 'M20 38l30 24 30-24v5L50 67 20 43Z'],
  ['accent', 'M45 58h10v10H45Z'],
];
const pen: Part[] = [
  ['body', 'M68 18l10 8-36 44-10-8Z'],
  ['shade', 'M32 62l10 8-16 12Z'],
  ['accent', 'M60 28l10 8-4 5-10-8Z'],
];
const pawn: Part[] = [
  ['body', 'M44 46h12l6 28H38Z'],
  ['body', 'M50 20a13 13 0 1 1 0 26 13 13 0 0 1 0-26Z'],
  ['shade', 'M32 74h36v8H32Z'],
  ['accent', 'M40 44h20v5H40Z'],
];
const spinner: Part[] = [
  ['shade', 'M47 18h6v20h-6Z'],
  ['body', 'M24 44h52L52 78h-4Z'],
  ['accent', 'M22 38h56v8H22Z'],
];
const marbles: Part[] = [
  ['body', 'M36 54a14 14 0 1 1 0 28 14 14 0 0 1 0-28Z'],
  ['shade', 'M66 58a12 12 0 1 1 0 24 12 12 0 0 1 0-24Z'],
  ['accent', 'M51 32a12 12 0 1 1 0 24 12 12 0 0 1 0-24Z'],
];
const blocks: Part[] = [
  ['body', 'M22 56h27v26H22Z'],
  ['shade', 'M51 56h27v26H51Z'],
  ['accent', 'M37 28h27v26H37Z'],
];
const cards: Part[] = [
  ['shade', 'M30 34l30-8 12 46-30 8Z'],
  ['body', 'M28 30h34v48H28Z'],
  ['accent', 'M45 42l8 12-8 12-8-12Z'],
];
const kite: Part[] = [
  ['body', 'M52 14 78 40 44 68 28 34Z'],
  ['shade', 'M52 14 44 68 28 34Z'],
  ['accent', 'M43 68c6 4-6 8 0 13h-3c-6-5 4-8 0-13Z'],
];
const cloth: Part[] = [
  ['shade', 'M20 26h60v6H20Z'],
  ['body', 'M28 30h44v50H28Z'],
  ['accent', 'M28 62h44v5H28ZM28 70h44v3H28Z'],
];
const robe: Part[] = [
  ['body', 'M38 22h24l18 18-9 9-5-4v37H34V45l-5 4-9-9Z'],
  ['shade', 'M44 22h12l-6 16Z'],
  ['accent', 'M34 54h32v6H34Z'],
];
const hammock: Part[] = [
  ['shade', 'M14 30h5v52h-5ZM81 30h5v52h-5Z'],
  ['body', 'M18 36c8 30 56 30 64 0 0 44-64 44-64 0Z'],
  ['accent', 'M36 56c9 5 19 5 28 0v8c-9 4-19 4-28 0Z'],
];
const fire: Part[] = [
  ['accent', 'M50 20c14 16 16 26 12 36H38c-4-10 2-16 6-22 2 4 4 4 6-14Z'],
  ['body', 'M20 56h60l-8 18H28Z'],
  ['shade', 'M32 74h6v8h-6ZM62 74h6v8h-6Z'],
];
const barrow: Part[] = [
  ['shade', 'M64 60l22-12 2 4-20 16ZM60 62h5v20h-5Z'],
  ['body', 'M18 42h52l-10 24H32Z'],
  ['accent', 'M28 62a10 10 0 1 1 0 20 10 10 0 0 1 0-20Z'],
];
const trellis: Part[] = [
  ['body', 'M28 18h5v64h-5ZM47.5 18h5v64h-5ZM67 18h5v64h-5Z'],
  ['shade', 'M24 28h52v5H24ZM24 46h52v5H24ZM24 64h52v5H24Z'],
  ['accent', 'M40 40c-8-2-10-8-9-12 7 1 10 6 9 12Zm20 20c8-2 10-8 9-12-7 1-10 6-9 12Z'],
];
const soap: Part[] = [
  ['body', 'M24 58c0-8 4-10 10-10h32c6 0 10 2 10 10v14c0 8-4 10-10 10H34c-6 0-10-2-10-10Z'],
  ['shade', 'M34 60h32v10H34Z'],
  ['accent', 'M38 26a6 6 0 1 1 0 12 6 6 0 0 1 0-12ZM56 18a9 9 0 1 1 0 18 9 9 0 0 1 0-18Z'],
];
const comb: Part[] = [
  ['body', 'M18 38h64v14H18Z'],
  [
    'shade',
    'M20 52h4v26h-4ZM29 52h4v26h-4ZM38 52h4v26h-4ZM47 52h4v26h-4ZM56 52h4v26h-4ZM65 52h4v26h-4ZM74 52h4v26h-4Z',
  ],
  ['accent', 'M18 38h64v4H18Z'],
];
const stand: Part[] = [
  ['accent', 'M34 40c0-14 32-14 32 0Z'],
  ['body', 'M18 40h64l-6 9H24Z'],
  ['shade', 'M47 49h6v26h-6ZM34 75h32v7H34Z'],
];
const square: Part[] = [
  ['body', 'M30 20h11v62H30Z'],
  ['shade', 'M41 70h42v12H41Z'],
  ['accent', 'M30 20h11v5H30ZM34 30h7v2h-7ZM34 38h7v2h-7ZM34 46h7v2h-7ZM34 54h7v2h-7Z'],
];

/** The first whose words occur in a product's name draws it. */
const byWord: [RegExp, Part[]][] = [
  [/rake|brush/, rake],
  [/mallet|hammer/, mallet],
  [/watering|flask/, can],
  [/knife|shears|chisel|grater/, blade],
  [/kettle|tea/, kettle],
  [/jug|pitcher|vase/, jug],
  [/clay pot|plant/, pot],
  [/stock pot|stove/, stockPot],
  [/skillet|pan\b/, pan],
  [/bowl|mortar|egg cup|cup/, bowl],
  [/seed|raised bed/, tray],
  [/barrow/, barrow],
  [/trellis|rack/, trellis],
  [/cabinet|drawer/, cabinet],
  [/lantern|storm glass/, lantern],
  [/candlestick|snuffer/, candlestick],
  [/candle/, candle],
  [/lamp|light/, lamp],
  [/tent|cape/, tent],
  [/fire/, fire],
  [/hammock/, hammock],
  [/chair|stool|bench/, chair],
  [/pack|bag|roll|case/, bag],
  [/ink|bottle/, bottle],
  [/balm|salt|jar/, jar],
  [/notebook|diary|book/, book],
  [/letter|envelope/, letter],
  [/pen tray|tray/, tray],
  [/pen\b|pole|pencil/, pen],
  [/chess|puppet/, pawn],
  [/spinning|top\b/, spinner],
  [/marble|paperweight/, marbles],
  [/puzzle|block set/, blocks],
  [/card|domino/, cards],
  [/kite/, kite],
  [/robe|shirt/, robe],
  [/towel|cloth|mat\b|linen/, cloth],
  [/soap/, soap],
  [/comb\b/, comb],
  [/stand|vice/, stand],
  [/try square|ruler|plane/, square],
  [/trowel|spade|tool/, tool],
  [/box|bin|set/, box],
];

const fallbacks = [pot, box, bottle, book, lamp, bowl, blocks, bag];

/** The shape for a product; the same always for the same name and number. */
export function shapeOf(name: string, number: number): Part[] {
  const lower = name.toLowerCase();
  return byWord.find(([word]) => word.test(lower))?.[1] ?? fallbacks[number % fallbacks.length]!;
}
