import { counted, milliseconds } from '../lib/format.ts';
import type { Step } from './steps.ts';
import styles from './trail.module.css';

/** What was just done, and what became of it: sent, safe on disk, answered with. */
export function Trail({ steps }: { steps: Step[] }) {
  return (
    <section className={styles.trail} aria-labelledby="trail" tabIndex={0}>
      <h2 id="trail">What just happened</h2>
      <ol>
        {steps.map((step) => (
          <li key={step.key}>
            <p>{step.text}</p>
            <p className={styles.what}>{whatHappened(step)}</p>
          </li>
        ))}
      </ol>
    </section>
  );
}

function whatHappened({ durableMs, answer, failed }: Step): string {
  if (failed) return `Not sent. ${failed}`;
  if (durableMs === undefined) return 'On its way…';
  const safe = `Safe on disk after ${milliseconds(durableMs)} ms`;
  if (!answer) return `${safe}.`;
  if (answer.changed === 0) return `${safe}, the same recommendations ${milliseconds(answer.tookMs)} ms later.`;
  return `${safe}, ${counted(answer.changed, 'changed recommendation')} ${milliseconds(answer.tookMs)} ms later.`;
}
