import { useComputedColorScheme } from '@mantine/core';
import { useMemo } from 'react';

/** The page's colours for what draws on its own: read anew whenever the scheme changes. */
export interface ChartColors {
  ink: string;
  quiet: string;
  line: string;
  card: string;
  water: string;
  foam: string;
  oak: string;
  /** For parts of a whole, in the order of their size. */
  parts: string[];
}

export function useChartColors(): ChartColors {
  const scheme = useComputedColorScheme('light', { getInitialValueInEffect: false });
  return useMemo(() => {
    void scheme;
    const style = getComputedStyle(document.documentElement);
    const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
    return {
      ink: color('ink'),
      quiet: color('ink-3'),
      line: color('line'),
      card: color('card'),
      water: color('water'),
      foam: color('foam'),
      oak: color('oak'),
      parts: [color('water'), color('water-3'), color('oak-soft'), color('water-2'), color('moss'), color('ink-3')],
    };
  }, [scheme]);
}
