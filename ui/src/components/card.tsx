import { ActionIcon, Tooltip } from '@mantine/core';
import { type ReactNode, useId, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import styles from './card.module.css';

interface CardProps {
  title: string;
  /** One quiet line under the title: of when, of what. */
  note?: ReactNode;
  actions?: ReactNode;
  /** The same figures as a table, for who cannot or would not read a chart. */
  table?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A titled region of the page. With `table`, a switch shows that instead of the chart. */
export function Card({ title, note, actions, table, className, children }: CardProps) {
  const heading = useId();
  const [asTable, setAsTable] = useState(false);
  const label = asTable ? 'Show the chart' : 'Show as a table';
  return (
    <section className={`${styles.card} ${className ?? ''}`} aria-labelledby={heading}>
      <header className={styles.head}>
        <div className={styles.words}>
          <h2 id={heading}>{title}</h2>
          {note && <p className={styles.note}>{note}</p>}
        </div>
        <div className={styles.actions}>
          {actions}
          {table && (
            <Tooltip label={label} openDelay={400}>
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`${label}: ${title}`}
                aria-pressed={asTable}
                onClick={() => setAsTable(!asTable)}
              >
                <Icon name={asTable ? 'chart' : 'table'} />
              </ActionIcon>
            </Tooltip>
          )}
        </div>
      </header>
      {asTable ? (
        <div className={styles.table} tabIndex={0} role="group" aria-label={`${title}, table`}>
          {table}
        </div>
      ) : (
        children
      )}
    </section>
  );
}
