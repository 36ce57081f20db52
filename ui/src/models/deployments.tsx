import { useState } from 'react';
import { Button } from '@mantine/core';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { dateAndTime } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { doerOf } from './judge.ts';
import { type Deployment, type OneModel, pathOf } from './types.ts';
import styles from './models.module.css';

const shownAtFirst = 8;

/** What was served since when, and what brought it there. */
export function Deployments({ model: { name, versions, history } }: { model: OneModel }) {
  const [all, setAll] = useState(false);
  const shown = all ? history : history.slice(0, shownAtFirst);
  const isThere = (version: string) => versions.some((one) => one.version === version && !one.problem);
  const what = ({ version }: Deployment) => {
    if (version === null) return 'Nothing';
    return isThere(version) ? (
      <Link href={pathOf(name, version)}>Version {version}</Link>
    ) : (
      `Version ${version}, removed since`
    );
  };
  return (
    <Card title="Deployments" note="What was served from when on, the newest first.">
      {history.length === 0 ? (
        <Empty>Nothing of it was served yet.</Empty>
      ) : (
        <ol className={styles.history} data-testid="history">
          {shown.map((one, i) => (
            <li key={`${one.time} ${i}`}>
              <span>{what(one)}</span>
              <span className={styles.quiet}>{doerOf(one)}</span>
              <time dateTime={one.time}>{dateAndTime(one.time)}</time>
            </li>
          ))}
        </ol>
      )}
      {shown.length < history.length && (
        <Button variant="subtle" size="sm" onClick={() => setAll(true)}>
          {history.length - shown.length} earlier
        </Button>
      )}
    </Card>
  );
}
