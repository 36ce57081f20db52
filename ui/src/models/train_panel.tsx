import { Button } from '@mantine/core';
import { useEffect, useState } from 'react';
import { Card } from '../components/card.tsx';
import { counted } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { Ask } from './ask.tsx';
import { Failure } from './failure.tsx';
import { sentenceOf } from './judge.ts';
import { phases } from './progress.ts';
import { pathOf } from './types.ts';
import type { Deploy, Run, TrainingDesk } from './use_training.ts';
import styles from './train_panel.module.css';

const choices: { value: Deploy; label: string }[] = [
  { value: 'if_good', label: 'Serve it if it passes the gate' },
  { value: 'never', label: 'Do not serve it yet' },
  { value: 'always', label: 'Serve it whatever the gate finds' },
];

interface AskToTrainProps {
  name: string;
  served: string | undefined;
  start: (deploy: Deploy) => void;
  close: () => void;
}

/** What a training does, and what is to become of its version. */
export function AskToTrain({ name, served, start, close }: AskToTrainProps) {
  const [deploy, setDeploy] = useState<Deploy>('if_good');
  return (
    <Ask title={`Train ${name}`} yes="Train now" onYes={() => start(deploy)} onClose={close}>
      <p>
        It is judged on what people did of late, then trained on everything there is now, and written as a new version.{' '}
        {served ? `Version ${served} goes on being served meanwhile.` : 'Nothing is served of it meanwhile.'}
      </p>
      <fieldset className={styles.choices}>
        <legend>Then</legend>
        {choices.map(({ value, label }) => (
          <label key={value}>
            <input type="radio" name="deploy" checked={deploy === value} onChange={() => setDeploy(value)} />
            {label}
          </label>
        ))}
      </fieldset>
    </Ask>
  );
}

/** A training as it runs, and how it ended. */
export function TrainingCard({ run, desk }: { run: Run; desk: TrainingDesk }) {
  const running = run.state === 'running';
  return (
    <Card
      title={running ? `Training ${run.name}` : titles[run.state]}
      note={
        running
          ? 'Whoever leaves the pages of models ends it. Nothing that is served changes before it is done.'
          : undefined
      }
      actions={
        running ? (
          <Button size="sm" variant="default" onClick={desk.stop}>
            Stop
          </Button>
        ) : (
          <Button size="sm" variant="subtle" onClick={desk.forget}>
            Close
          </Button>
        )
      }
    >
      <div className={styles.training} data-testid="training" data-state={run.state}>
        {running && <Running run={run} />}
        {run.result && (
          <p role="status" data-testid="trained">
            <Link href={pathOf(run.name, run.result.version)}>Version {run.result.version}</Link> is written.{' '}
            {sentenceOf(run.result.gate)}
          </p>
        )}
        {run.state === 'stopped' && (
          <p role="status">It was stopped. Nothing of it is kept, and what is served stays.</p>
        )}
        {run.error && run.state === 'failed' && <Failure error={run.error} />}
      </div>
    </Card>
  );
}

const titles = { running: '', done: 'Trained', failed: 'The training failed', stopped: 'The training was stopped' };

function Running({ run: { progress, began } }: { run: Run }) {
  return (
    <>
      <ol className={styles.phases} aria-label="Phases">
        {phases.map((phase, i) => (
          <li
            key={phase}
            data-state={i < progress.phase ? 'done' : i === progress.phase ? 'now' : 'ahead'}
            aria-current={i === progress.phase ? 'step' : undefined}
          >
            <span className={styles.bar}>
              <span
                style={{ width: `${100 * (i < progress.phase ? 1 : i > progress.phase ? 0 : (progress.share ?? 0))}%` }}
              />
            </span>
            {phase}
          </li>
        ))}
      </ol>
      <p className={styles.step}>
        <span data-testid="step">{progress.step || 'Waiting for the server; it trains one model at a time'}</span>
        <Since began={began} />
      </p>
    </>
  );
}

function Since({ began }: { began: number }) {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return <span aria-hidden="true">{counted(Math.max(0, Math.round((now - began) / 1000)), 'second')}</span>;
}
