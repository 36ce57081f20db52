import { Button, UnstyledButton } from '@mantine/core';
import { useState } from 'react';
import { Card } from '../components/card.tsx';
import lists from '../flow/lists.module.css';
import { RecordView } from '../flow/record_view.tsx';
import { bytes, dateAndTime } from '../lib/format.ts';
import { navigate } from '../lib/router.tsx';
import type { Entry } from './types.ts';
import styles from './quarantine.module.css';

interface RecordsProps {
  desk: { entries: Entry[]; cursor: string | null; older: () => Promise<void> };
  chosen: ReadonlySet<string>;
  choose: (chosen: ReadonlySet<string>) => void;
}

/** The records themselves; ticked ones are what the workbench is about. */
export function Records({ desk: { entries, cursor, older }, chosen, choose }: RecordsProps) {
  const [open, setOpen] = useState<string>();
  const tick = (record: string) => {
    const next = new Set(chosen);
    if (!next.delete(record)) next.add(record);
    choose(next);
  };
  return (
    <Card title="Records" note="The newest first. Tick some to act on them alone.">
      <ul className={`${lists.list} ${styles.records}`} data-testid="records">
        {entries.map((entry) => (
          <li key={entry.record}>
            <div className={styles.entry}>
              <label className={styles.tick}>
                <input
                  type="checkbox"
                  aria-label={`Choose ${entry.record}`}
                  checked={chosen.has(entry.record)}
                  onChange={() => tick(entry.record)}
                />
              </label>
              <Row
                entry={entry}
                open={open === entry.record}
                toggle={() => setOpen(open === entry.record ? undefined : entry.record)}
              />
            </div>
            {open === entry.record && (
              <RecordView
                id={entry.record}
                onLines={() => navigate(`/flow?record=${encodeURIComponent(entry.record)}`)}
              />
            )}
          </li>
        ))}
      </ul>
      {cursor && (
        <Button variant="subtle" size="sm" onClick={() => void older()}>
          Older records
        </Button>
      )}
    </Card>
  );
}

function Row({ entry, open, toggle }: { entry: Entry; open: boolean; toggle: () => void }) {
  return (
    <UnstyledButton className={`${lists.row} ${lists.pressable} ${styles.grow}`} onClick={toggle} aria-expanded={open}>
      <span className={lists.words}>
        <strong className={lists.wrap}>
          {entry.where && <span className={styles.where}>{entry.where}: </span>}
          {entry.message}
        </strong>
        <small>
          {entry.record} · {dateAndTime(entry.received_time)}
          {entry.source && ` · from ${entry.source}`} · {bytes(entry.bytes)}
        </small>
        {entry.state !== 'waiting' && (
          <small className={styles.decided}>
            {entry.state}
            {entry.replayed_as && ` as ${entry.replayed_as}`}
            {entry.note && `: ${entry.note}`}
          </small>
        )}
      </span>
    </UnstyledButton>
  );
}
