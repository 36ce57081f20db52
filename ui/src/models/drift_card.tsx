import { Button } from '@mantine/core';
import { useEffect, useRef, useState } from 'react';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { Empty } from '../components/empty.tsx';
import { count, counted, dateAndTime, measure, percent } from '../lib/format.ts';
import { CallError, callLines } from '../lib/http.ts';
import { driftSign, inputName, movedWords, ruleSentence } from './drift_words.ts';
import { Failure } from './failure.tsx';
import { change, interval, metrics } from './judge.ts';
import { apiOf, type Drift, type DriftAnswer, type InputDrift, type OneModel, type PerformanceDrift } from './types.ts';
import { useAnswer } from '../lib/use_answer.ts';
import styles from './models.module.css';

type Line = { progress: { step: string } } | { result: unknown } | { error: { message: string } };

/** Whether the served version still does as well as when it was made, and when it is trained again. */
export function DriftCard({ model: { name, may_change: mayChange } }: { model: OneModel }) {
  const { answer, error, refresh } = useAnswer<DriftAnswer>(`${apiOf(name)}/drift`);
  const { look, step, failure } = useLook(name, refresh);
  return (
    <Card
      title="Drift"
      note={answer && ruleSentence(answer.retrain.words)}
      actions={
        mayChange && (
          <Button size="sm" variant="default" onClick={look} disabled={step !== undefined}>
            Check now
          </Button>
        )
      }
    >
      <div className={styles.drift} data-testid="drift" aria-busy={step !== undefined}>
        {step !== undefined && <p role="status">{step || 'Waiting for the server'} …</p>}
        {failure && <Failure error={failure} />}
        {error && <Failure error={error} retry={refresh} />}
        {answer &&
          (answer.last ? <Found drift={answer.last} /> : <Empty>Nobody has looked since the server started.</Empty>)}
      </div>
    </Card>
  );
}

/** Has the server look; who leaves the page gives it up. */
function useLook(name: string, onEnd: () => void) {
  const [step, setStep] = useState<string>();
  const [failure, setFailure] = useState<CallError>();
  const abort = useRef<AbortController>(undefined);
  useEffect(() => () => abort.current?.abort(), []);
  const look = () => {
    const mine = (abort.current = new AbortController());
    let ended: CallError | undefined = new CallError(0, 'The server ended before it had looked.');
    setStep('');
    setFailure(undefined);
    const onLine = (line: Line) => {
      if ('progress' in line) setStep(line.progress.step);
      else ended = 'error' in line ? new CallError(400, line.error.message) : undefined;
    };
    callLines<Line>(`${apiOf(name)}/drift`, onLine, mine.signal)
      .catch((problem: CallError) => (ended = problem))
      .finally(() => {
        if (mine.signal.aborted) return;
        setStep(undefined);
        setFailure(ended);
        onEnd();
      });
  };
  return { look, step, failure };
}

function Found({ drift }: { drift: Drift }) {
  const { state, sign, words } = driftSign(drift.verdict);
  return (
    <>
      <p className={styles.verdict} data-state={state} data-testid="drift-verdict">
        <strong>
          <span aria-hidden="true">{sign}</span> {words}
        </strong>
        <small>
          Version {drift.version}, looked at {dateAndTime(drift.checked)}: {counted(drift.rows_since, 'interaction')} by{' '}
          {counted(drift.people_since, 'person', 'people')} since its training, {count(drift.rows_before)} before.
        </small>
      </p>
      {drift.verdict === 'too_little' && (
        <p className={styles.quiet}>A hundred interactions by twenty people are the least.</p>
      )}
      {drift.performance && <Performance found={drift.performance} />}
      {drift.inputs && <Inputs drift={drift} inputs={drift.inputs} />}
    </>
  );
}

const labelOf = (metric: string): string => metrics.find(({ name }) => name === metric)?.label ?? metric.toUpperCase();

function Performance({ found }: { found: PerformanceDrift }) {
  const rating = found.metric === 'rmse';
  const withInterval = (estimate: typeof found.now) => `${measure(estimate.mean)} (${interval(estimate)})`;
  const rows = [
    { what: 'Now', figure: withInterval(found.now) },
    { what: rating ? 'Best of the means' : 'Popularity of late', figure: measure(found.popularity) },
    { what: rating ? 'Gain over that, in squared error' : 'Gain over that', figure: change(found.gain) },
    found.then && { what: 'When made, on as many interactions', figure: withInterval(found.then) },
    found.change && { what: 'Change since then, above 0 for better', figure: change(found.change) },
  ].filter((row) => !!row);
  return (
    <section>
      <h3 className={styles.driftPart}>How well it does, on what came last</h3>
      <DataTable
        caption={`How well it does: ${labelOf(found.metric)} on the last ${count(found.rows)} interactions`}
        columns={[
          { head: 'What', cell: ({ what }: (typeof rows)[number]) => what },
          { head: labelOf(found.metric), cell: ({ figure }) => figure, figure: true },
        ]}
        rows={rows}
        keyOf={({ what }) => what}
      />
    </section>
  );
}

function Inputs({ drift: { new_users: users, new_items: items }, inputs }: { drift: Drift; inputs: InputDrift[] }) {
  return (
    <section>
      <h3 className={styles.driftPart}>What it learns from, since its training and before</h3>
      <DataTable
        caption="What it learns from, since its training and before"
        columns={[
          { head: 'Input', cell: (input: InputDrift) => inputName(input) },
          { head: 'It is', cell: ({ state }) => state },
          { head: 'Most of it', cell: (input) => movedWords(input) },
          { head: 'PSI', cell: ({ psi }) => measure(psi), figure: true },
          { head: 'By chance', cell: ({ by_chance: chance }) => measure(chance), figure: true },
        ]}
        rows={inputs}
        keyOf={({ of, name }) => `${of} ${name}`}
      />
      {users && items && (
        <p className={styles.quiet}>
          {percent(users.since)} of the interactions are of people it does not know (usual {percent(users.before)}),{' '}
          {percent(items.since)} of items it does not know (usual {percent(items.before)}).
        </p>
      )}
    </section>
  );
}
