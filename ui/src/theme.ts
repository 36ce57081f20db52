import { createTheme, localStorageColorSchemeManager, type MantineColorsTuple } from '@mantine/core';

const race: MantineColorsTuple = [
  '#eaf5f5',
  '#d3e8e9',
  '#a6d1d5',
  '#76b8bf',
  '#4ea2ac',
  '#2f8d9a',
  '#167887',
  '#0b6475',
  '#0a5363',
  '#073f4c',
];

const gray: MantineColorsTuple = [
  '#f3f5f1',
  '#e9ece6',
  '#dcdfd6',
  '#c3cac2',
  '#a3afac',
  '#7f8d8d',
  '#5b6b6d',
  '#45575b',
  '#2c3f44',
  '#12262b',
];

const dark: MantineColorsTuple = [
  '#e7efec',
  '#c6d3d2',
  '#a5b7b8',
  '#7f9496',
  '#335058',
  '#25424a',
  '#1b343b',
  '#112126',
  '#0d1b20',
  '#0a1418',
];

/** The component library in our colours; everything else is in styles/tokens.css. */
export const theme = createTheme({
  primaryColor: 'race',
  primaryShade: { light: 7, dark: 6 },
  colors: { race, gray, dark },
  fontFamily: 'var(--font-text)',
  fontFamilyMonospace: 'var(--font-mono)',
  headings: { fontFamily: 'var(--font-display)', fontWeight: '500' },
  defaultRadius: 'md',
  cursorType: 'pointer',
  respectReducedMotion: true,
});

/** The key is also read by public/theme.js. */
export const schemeManager = localStorageColorSchemeManager({ key: 'millrace-theme' });
