import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { ErrorNote } from '../components/error_note.tsx';
import { count } from '../lib/format.ts';
import { call } from '../lib/http.ts';
import type { Rows } from './types.ts';
import styles from './lists.module.css';

/** The answer of GET /v1/records/{record}. */
interface RecordAnswer {
  record: string;
  in_log: boolean;
  received_time?: string;
  source?: string;
  bytes?: number;
  truncated?: boolean;
  text?: string;
  base64?: string;
  warehouse?: { state: 'applied' | 'pending' | 'duplicate' | 'quarantined'; events: Rows; quarantine: Rows };
}

const fates = {
  applied: 'It is in the tables.',
  pending: 'It is on the way to the tables.',
  duplicate: 'It had come before and was counted once.',
  quarantined: 'It is in quarantine.',
};

/** One record of the log: what became of it, and its bytes as they came. */
export function RecordView({ id, onLines }: { id: string; onLines?: () => void }) {
  const [answer, setAnswer] = useState<RecordAnswer>();
  const [error, setError] = useState<string>();
  useEffect(() => {
    let current = true;
    call<RecordAnswer>(`/v1/records/${encodeURIComponent(id)}`).then(
      ({ body }) => current && setAnswer(body),
      (failure: Error) => current && setError(failure.message),
    );
    return () => void (current = false);
  }, [id]);
  if (error) return <ErrorNote>{error}</ErrorNote>;
  if (!answer) return <p className={styles.record}>…</p>;
  return (
    <div className={styles.record} data-testid="record">
      <p>
        <strong>{answer.record}</strong>
        {answer.warehouse && ` – ${fates[answer.warehouse.state]}`}
      </p>
      {answer.in_log ? (
        <pre className={styles.raw} tabIndex={0} aria-label="The record as it came">
          {answer.text === undefined
            ? `${count(answer.bytes ?? 0)} bytes, not text: ${answer.base64}`
            : pretty(answer.text)}
          {answer.truncated && '…'}
        </pre>
      ) : (
        <p>The log no longer keeps it.</p>
      )}
      {onLines && (
        <div className={styles.actions}>
          <Button size="xs" variant="light" onClick={onLines}>
            Its lines in the log
          </Button>
        </div>
      )}
    </div>
  );
}

/** JSON with its lines; anything else as it is. */
function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
