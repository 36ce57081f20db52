import { Button, UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { clockTime, count } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { RecordView } from './record_view.tsx';
import { objectsOf, type Refusal, type Rows } from './types.ts';
import styles from './lists.module.css';

/** What was refused or set aside in the last day, alike ones together; pressed, it shows the newest as it came. */
export function Quarantine({ rows, onRecord }: { rows: Rows; onRecord: (record: string) => void }) {
  const [open, setOpen] = useState<string>();
  const refusals = objectsOf<Refusal>(rows);
  return (
    <Card
      title="Quarantine"
      note="Of the last 24 hours, newest first. Nothing of it is lost."
      actions={
        <Button component={Link} href="/quarantine" variant="default" size="sm">
          Mend and replay
        </Button>
      }
    >
      {refusals.length === 0 ? (
        <Empty>Nothing was refused.</Empty>
      ) : (
        <ul className={styles.list} data-testid="quarantine">
          {refusals.map((one) => {
            const key = `${one.stage} ${one.code} ${one.message}`;
            return (
              <Row
                key={key}
                one={one}
                open={open === key}
                toggle={() => setOpen(open === key ? undefined : key)}
                onRecord={onRecord}
              />
            );
          })}
        </ul>
      )}
    </Card>
  );
}

interface RowProps {
  one: Refusal;
  open: boolean;
  toggle: () => void;
  onRecord: (record: string) => void;
}

function Row({ one, open, toggle, onRecord }: RowProps) {
  return (
    <li>
      <UnstyledButton className={`${styles.row} ${styles.pressable}`} onClick={toggle} aria-expanded={open}>
        <span className={styles.words}>
          <strong className={styles.wrap}>{one.message}</strong>
          <small>
            at {one.stage} · {one.code}
            {one.source && ` · from ${one.source}`} · {clockTime(one.newest)}
          </small>
        </span>
        <span className={styles.figure}>
          <strong>{count(Number(one.events))}</strong>
          <small>{Number(one.events) === 1 ? 'event' : 'events'}</small>
        </span>
      </UnstyledButton>
      {open && <RecordView id={one.record} onLines={() => onRecord(one.record)} />}
    </li>
  );
}
