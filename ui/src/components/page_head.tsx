import type { ReactNode } from 'react';
import styles from './page_head.module.css';

/** The top of a page: its name, a quiet line about it, and what chooses what it shows. */
export function PageHead({ title, note, actions }: { title: string; note?: ReactNode; actions?: ReactNode }) {
  return (
    <header className={styles.head}>
      <div>
        <h1>{title}</h1>
        <p className={styles.note}>{note}</p>
      </div>
      {actions}
    </header>
  );
}
