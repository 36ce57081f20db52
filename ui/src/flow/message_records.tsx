import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { call } from '../lib/http.ts';
import { objectsOf, type Rows } from './types.ts';
import styles from './lists.module.css';

interface Place {
  record: string;
  type: string;
  table: string;
}

/** Where events of a message id are, should what was typed be one; nothing otherwise. */
export function MessageRecords({ id, onRecord }: { id: string; onRecord: (record: string) => void }) {
  const [places, setPlaces] = useState<Place[]>([]);
  useEffect(() => {
    let current = true;
    const timer = setTimeout(() => {
      call<Rows>(`/v1/records?message_id=${encodeURIComponent(id)}`).then(
        ({ body }) => current && setPlaces(objectsOf<Place>(body)),
        () => {}, // the lines are what was asked for; this is beside them
      );
    }, 400);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [id]);
  if (places.length === 0) return null;
  return (
    <div className={styles.record}>
      <p>
        {places.length === 1
          ? 'A message of this id is in the tables:'
          : `${places.length} records have this message id:`}
      </p>
      <div className={styles.actions}>
        {places.slice(0, 10).map(({ record, type, table }) => (
          <Button key={`${table} ${record}`} size="xs" variant="light" onClick={() => onRecord(record)}>
            {record} · {table === 'quarantine' ? `refused: ${type}` : type}
          </Button>
        ))}
      </div>
    </div>
  );
}
