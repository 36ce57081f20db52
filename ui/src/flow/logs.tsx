import { Button, NativeSelect, SegmentedControl, TextInput } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { Icon } from '../brand/icons.tsx';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { ErrorNote } from '../components/error_note.tsx';
import { MessageRecords } from './message_records.tsx';
import { RecordView } from './record_view.tsx';
import { isRecordId, type LogLine, useLogs } from './use_logs.ts';
import styles from './logs.module.css';

const levels = [
  { value: '', label: 'All' },
  { value: 'warning', label: 'Warnings' },
  { value: 'error', label: 'Errors' },
];
const components = [
  'app',
  'archive',
  'collect',
  'dashboard',
  'flow',
  'http',
  'ingest',
  'load',
  'log',
  'logging',
].concat('recommend', 'server', 'subscription', 'warehouse');

/** What the server says, as it says it; a record's id finds its lines, and what became of it. */
export function Logs({ search, onRecord }: { search: string; onRecord: (record: string) => void }) {
  const [filter, setFilter] = useState({ level: '', component: '', text: search });
  const [paused, setPaused] = useState(false);
  const { lines, cursor, error, loaded, older } = useLogs(filter, paused);
  const top = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (search) top.current?.scrollIntoView({ block: 'start' });
  }, [search]);
  const wanted = filter.text.trim();
  return (
    <div ref={top} className={styles.anchor}>
      <Card
        title="Log"
        note="What each part of the server says, newest first."
        actions={
          <Button variant="default" size="sm" onClick={() => setPaused(!paused)} aria-pressed={paused}>
            {paused ? 'Follow' : 'Pause'}
          </Button>
        }
      >
        <div className={styles.filters}>
          <TextInput
            aria-label="Find a text, a record or a message id"
            placeholder="Text, record (events:0:1234) or message id"
            value={filter.text}
            maxLength={200}
            onChange={(event) => setFilter({ ...filter, text: event.currentTarget.value })}
            className={styles.search}
          />
          <NativeSelect
            aria-label="Component"
            rightSection={<Icon name="down" size={15} />}
            rightSectionPointerEvents="none"
            data={[{ value: '', label: 'Every part' }, ...components]}
            value={filter.component}
            onChange={(event) => setFilter({ ...filter, component: event.currentTarget.value })}
          />
          <SegmentedControl
            aria-label="Level"
            className={styles.levels}
            data={levels}
            value={filter.level}
            onChange={(level) => setFilter({ ...filter, level })}
          />
        </div>
        {isRecordId(wanted) && <RecordView key={wanted} id={wanted} />}
        {wanted.length > 2 && !isRecordId(wanted) && <MessageRecords key={wanted} id={wanted} onRecord={onRecord} />}
        {error && <ErrorNote>{error}</ErrorNote>}
        <Lines lines={lines} loaded={loaded} onRecord={onRecord} />
        {cursor && (
          <Button variant="subtle" size="sm" onClick={() => void older()}>
            {lines.length === 0 ? 'Look further back' : 'Older lines'}
          </Button>
        )}
      </Card>
    </div>
  );
}

interface LinesProps {
  lines: LogLine[];
  loaded: boolean;
  onRecord: (record: string) => void;
}

function Lines({ lines, loaded, onRecord }: LinesProps) {
  if (lines.length === 0) return <Empty>{loaded ? 'No line says so.' : ''}</Empty>;
  return (
    <ol className={styles.lines} tabIndex={0} aria-label="Lines of the log" data-testid="log">
      {lines.map((line) => (
        <Line key={line.position} line={line} onRecord={onRecord} />
      ))}
    </ol>
  );
}

const head = new Set(['position', 'time', 'level', 'component', 'message']);
const timeOfDay = new Intl.DateTimeFormat(undefined, { timeStyle: 'medium' });
const dayAndTime = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});

/** The time alone for a line of today. */
function when(iso: string): string {
  const at = new Date(iso);
  return (at.toDateString() === new Date().toDateString() ? timeOfDay : dayAndTime).format(at);
}

function Line({ line, onRecord }: { line: LogLine; onRecord: (record: string) => void }) {
  const fields = Object.entries(line).filter(
    ([key, value]) => !head.has(key) && value !== '' && !isNothing(key, value),
  );
  return (
    <li className={styles.line} data-level={line.level}>
      <time dateTime={line.time}>{when(line.time)}</time>
      <span className={styles.component}>{line.component}</span>
      <span className={styles.said}>
        {line.level !== 'info' && <span className={styles.level}>{line.level}</span>}
        {line.message}
        {fields.map(([key, value]) => (
          <span key={key} className={styles.field}>
            {' '}
            {key}=
            {typeof value === 'string' && isRecordId(value) ? (
              <button type="button" className={styles.record} onClick={() => onRecord(value)}>
                {value}
              </button>
            ) : (
              <span>{String(value)}</span>
            )}
          </span>
        ))}
      </span>
    </li>
  );
}

/** Lines that were left out are worth a word only where there are any. */
const isNothing = (key: string, value: unknown): boolean => key === 'not_shown_before' && value === 0;
