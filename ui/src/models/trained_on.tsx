import type { ReactNode } from 'react';
import { Card } from '../components/card.tsx';
import { count, dateAndTime } from '../lib/format.ts';
import { settingWords } from './judge.ts';
import type { VersionDetail } from './types.ts';
import styles from './models.module.css';

/** What a version was made of: enough to make it again. */
export function TrainedOn({
  detail: { training, settings, definition, name, trained_because: because },
}: {
  detail: VersionDetail;
}) {
  return (
    <Card title="Trained on" note="The same rows, settings and seed make the same version.">
      {training && (
        <dl className={styles.facts} data-testid="trained-on">
          <Fact name="Interactions">{count(training.rows)}</Fact>
          <Fact name="People">{count(training.users)}</Fact>
          <Fact name="Items">{count(training.items)}</Fact>
          <Fact name="From">{dateAndTime(training.from)}</Fact>
          <Fact name="To">{dateAndTime(training.to)}</Fact>
          {because && <Fact name="Because">{because === 'asked' ? 'somebody asked' : because}</Fact>}
          {(training.incomplete_left_out ?? 0) > 0 && (
            <Fact name="Left out">{count(training.incomplete_left_out!)} without an id or a time</Fact>
          )}
        </dl>
      )}
      {settings && (
        <Part title="Settings" open>
          <dl className={styles.settings}>
            {Object.entries(settings)
              .map(([key, value]) => settingWords(key, value))
              .map(({ name, words }) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{words}</dd>
                </div>
              ))}
          </dl>
        </Part>
      )}
      {definition && (
        <Part title={`models/${name}.yaml, as it was`}>
          <pre className={styles.definition} tabIndex={0} aria-label="Definition">
            {definition}
          </pre>
        </Part>
      )}
      {(training?.hash || training?.offsets) && (
        <Part title="Hash and log offsets">
          {training.hash && (
            <p className={styles.hash}>
              Of all rows in order: <code>{training.hash}</code>
            </p>
          )}
          <dl className={styles.settings}>
            {Object.entries(training.offsets ?? {}).map(([partition, offset]) => (
              <div key={partition}>
                <dt>{partition}</dt>
                <dd>{count(offset)}</dd>
              </div>
            ))}
          </dl>
        </Part>
      )}
    </Card>
  );
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Part({ title, open, children }: { title: string; open?: boolean; children: ReactNode }) {
  return (
    <details className={styles.part} open={open}>
      <summary>{title}</summary>
      {children}
    </details>
  );
}
