import { Button, Textarea, TextInput } from '@mantine/core';
import { useState } from 'react';
import { Card } from '../components/card.tsx';
import { ErrorNote } from '../components/error_note.tsx';
import { counted } from '../lib/format.ts';
import type { Outcome, Result, State } from './types.ts';
import { act, type Target, tryOut } from './use_desk.ts';
import styles from './quarantine.module.css';

interface WorkbenchProps {
  state: State;
  /** How many records it is about. */
  count: number;
  target: Target;
  /** They were ticked one by one. */
  chosen: boolean;
  /** Something was changed: read anew. */
  done: () => void;
}

const pastWords = { replay: 'taken in', drop: 'dropped', reopen: 'waiting again' };

/** Mend, try, take in; or drop with a note. */
export function Workbench({ state, count, target, chosen, done }: WorkbenchProps) {
  const [mend, setMend] = useState('');
  const [note, setNote] = useState('');
  const [trial, setTrial] = useState<Result>();
  const [said, setSaid] = useState<string>();
  const [error, setError] = useState<string>();
  const [busy, setBusy] = useState(false);

  const guard = async (work: () => Promise<void>) => {
    setBusy(true);
    setError(undefined);
    setSaid(undefined);
    try {
      await work();
    } catch (failure) {
      setError((failure as Error).message);
    }
    setBusy(false);
  };
  const look = () => guard(async () => setTrial(await tryOut(target, mend)));
  const run = (verb: keyof typeof pastWords) =>
    guard(async () => {
      const words = verb === 'replay' ? { mend, note } : { note };
      const tell = ({ done: n, failed }: Result) =>
        setSaid(`${counted(n, 'record')} ${pastWords[verb]}${failed ? `; ${failed} stay as they are` : ''}.`);
      const result = await act(verb, target, words, tell);
      setTrial(result.outcomes.length > 0 ? result : undefined);
      done();
    });
  const what = `${chosen ? 'the chosen' : 'all'} ${counted(count, 'record')}`;
  return (
    <Card title="Workbench" note={`About ${what} above.`}>
      <div className={styles.bench}>
        <Textarea
          label="Mend"
          description={
            <>
              A SQL expression that gives the mended text. <code>data</code> is the record as JSON,{' '}
              <code>attributes-&gt;&gt;'raw'</code> its text. Empty: as they came.
            </>
          }
          placeholder={`json_merge_patch(data, '{"currency": "EUR"}')`}
          value={mend}
          maxLength={10_000}
          autosize
          minRows={2}
          spellCheck={false}
          classNames={{ input: styles.code }}
          onChange={({ currentTarget }) => setMend(currentTarget.value)}
        />
        <TextInput
          label="Note"
          description="Why, for those who look later. Needed to drop."
          value={note}
          maxLength={2000}
          onChange={({ currentTarget }) => setNote(currentTarget.value)}
        />
        <div className={styles.buttons}>
          <Button variant="default" onClick={() => void look()} disabled={busy}>
            Try on the newest
          </Button>
          <Button onClick={() => void run('replay')} loading={busy} disabled={state === 'replayed'}>
            Take in {what}
          </Button>
          <Button
            variant="light"
            color="red"
            onClick={() => void run('drop')}
            disabled={busy || note.trim() === '' || state === 'replayed'}
          >
            Drop
          </Button>
          {(state === 'dropped' || state === 'all') && (
            <Button variant="light" onClick={() => void run('reopen')} disabled={busy}>
              Reopen
            </Button>
          )}
        </div>
        {error && <ErrorNote>{error}</ErrorNote>}
        {said && (
          <p role="status" className={styles.said} data-testid="said">
            {said}
          </p>
        )}
        {trial && <Outcomes outcomes={trial.outcomes} />}
      </div>
    </Card>
  );
}

function Outcomes({ outcomes }: { outcomes: Outcome[] }) {
  return (
    <ul className={styles.outcomes} data-testid="outcomes">
      {outcomes.map((outcome) => (
        <li key={outcome.record}>
          <p className={outcome.error ? styles.bad : styles.good}>
            <strong>{outcome.record}</strong>{' '}
            {outcome.error ? outcome.error.message : outcome.before !== undefined && 'would be taken in'}
          </p>
          {outcome.before !== undefined && (
            <pre className={styles.before} tabIndex={0} aria-label="Before">
              {outcome.before}
            </pre>
          )}
          {outcome.after !== undefined && outcome.after !== outcome.before && (
            <pre className={styles.after} tabIndex={0} aria-label="After">
              {outcome.after}
            </pre>
          )}
        </li>
      ))}
    </ul>
  );
}
