import type { ReactNode } from 'react';
import styles from './empty.module.css';

/** What a card shows while there is nothing to show: say what is missing, and since when or where. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className={styles.empty}>{children}</p>;
}
