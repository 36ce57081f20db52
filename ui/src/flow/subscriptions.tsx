import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { count, counted } from '../lib/format.ts';
import { healthOf } from './graph.ts';
import { short } from './health.ts';
import type { FlowSnapshot, Subscription } from './types.ts';
import styles from './lists.module.css';

/** Who else gets the flow, and what waits for them. */
export function Subscriptions({ kept }: { kept: FlowSnapshot[] }) {
  const { subscriptions } = kept.at(-1)!;
  return (
    <Card title="Subscriptions" note="Messages that wait, and the age of the oldest.">
      {subscriptions.length === 0 ? (
        <Empty>Nobody has subscribed yet. “millrace subscription create” hands a topic to another program.</Empty>
      ) : (
        <ul className={styles.list}>
          {subscriptions.map((one) => (
            <Row key={one.name} one={one} kept={kept} />
          ))}
        </ul>
      )}
    </Card>
  );
}

function Row({ one, kept }: { one: Subscription; kept: FlowSnapshot[] }) {
  const health = healthOf(one, kept);
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
