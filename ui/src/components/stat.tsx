import type { ReactNode } from 'react';
import styles from './stat.module.css';

interface StatProps {
  name: string;
  value: string;
  unit?: string;
  testId?: string;
  /** A quiet line, or a sparkline, under the figure. */
  children?: ReactNode;
}

/** One figure with its name, inside a `<Stats>`. */
export function Stat({ name, value, unit, testId, children }: StatProps) {
  return (
    <div className={styles.stat}>
      <dt>{name}</dt>
      <dd className={styles.value} data-testid={testId}>
        {value}
        {unit && <small>{unit}</small>}
      </dd>
      <dd className={styles.note}>{children}</dd>
    </div>
  );
}

/** Figures side by side, two in a row where it is narrow. */
export function Stats({ className, children }: { className?: string; children: ReactNode }) {
  return <dl className={`${styles.stats} ${className ?? ''}`}>{children}</dl>;
}
