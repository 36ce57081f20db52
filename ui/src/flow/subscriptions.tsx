import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { count, counted } from '../lib/format.ts';
import { healthOf } from './graph.ts';
import { type Health, short } from './health.ts';
import type { FlowSnapshot, Subscription } from './types.ts';
import styles from './lists.module.css';

interface Standing {
  one: Subscription;
  health: Health;
}

/** Each subscription of the newest snapshot, and how it does. */
export const standingOf = (kept: FlowSnapshot[]): Standing[] =>
  (kept.at(-1)?.subscriptions ?? []).map((one) => ({ one, health: healthOf(one, kept) }));

/** Who else gets the flow, and what waits for them. */
export function Subscriptions({ standing }: { standing: Standing[] }) {
  return (
    <Card title="Subscriptions" note="Messages that wait, and the age of the oldest.">
      {standing.length === 0 ? (
        <Empty>Nobody has subscribed yet. “millrace subscription create” hands a topic to another program.</Empty>
      ) : (
        <ul className={styles.list}>
          {standing.map((each) => (
            <Row key={each.one.name} standing={each} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Row({ standing: { one, health } }: { standing: Standing }) {
  const given = [
    one.dead > 0 && `${counted(one.dead, 'dead letter')}${one.dead_letter_topic && ` in ${one.dead_letter_topic}`}`,
    one.lost > 0 && `${count(one.lost)} lost to retention`,
  ].filter(Boolean);
  return (
    <li className={styles.row} data-state={health.state} data-testid={`subscription-${one.name}`}>
      <div className={styles.words}>
        <strong>{one.name}</strong>
        <small>
          {one.kind} of {one.topic} · {count(one.acked)} acknowledged
        </small>
        <small className={styles.state}>{one.error ? `${health.words}: ${one.error}` : health.words}</small>
        {given.length > 0 && <small className={styles.alarm}>{given.join(', ')}</small>}
      </div>
      <div className={styles.figure}>
        <strong>{count(one.backlog)}</strong>
        <small>{one.backlog > 0 && one.oldest_s !== null ? short(one.oldest_s) : 'waiting'}</small>
      </div>
    </li>
  );
}
