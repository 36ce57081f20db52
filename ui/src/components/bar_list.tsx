import type { ReactNode } from 'react';
import { count } from '../lib/format.ts';
import styles from './bar_list.module.css';

export interface Bar {
  key: string;
  label: string;
  /** A quiet second line. */
  note?: ReactNode;
  value: number;
  extra?: ReactNode;
}

interface BarListProps {
  bars: Bar[];
  label: string;
  /** How a value is written; as a count unless said. */
  words?: (value: number) => string;
}

/** Names with their number and a bar behind, longest first: reads like a list, compares like a chart. */
export function BarList({ bars, label, words = count }: BarListProps) {
  // Counts under 1 there are none of; other figures may all be small.
  const most = Math.max(words === count ? 1 : Number.MIN_VALUE, ...bars.map((bar) => bar.value));
  return (
    <ol className={styles.list} aria-label={label}>
      {bars.map((bar) => (
        <li key={bar.key} className={styles.row}>
          <span
            className={styles.bar}
            style={{ width: `${Math.max(0, bar.value / most) * 100}%` }}
            aria-hidden="true"
          />
          <span className={styles.name}>
            <span className={styles.label} title={bar.label}>
              {bar.label}
            </span>
            {bar.note && <span className={styles.note}>{bar.note}</span>}
          </span>
          {bar.extra}
          <span className={styles.value}>{words(bar.value)}</span>
        </li>
      ))}
    </ol>
  );
}
