import { change, verdictOf } from './judge.ts';
import type { Estimate } from './types.ts';
import styles from './models.module.css';

const signs = { better: '▲', unclear: '≈', worse: '▼' };

/** Whether it is better than popularity: in words, with a sign, and by how much. Nothing where that is not known. */
export function VerdictSign({ gain }: { gain: Estimate | undefined }) {
  if (!gain) return <p className={styles.verdict}>Not compared with popularity</p>;
  const { state, words } = verdictOf(gain);
  return (
    <p className={styles.verdict} data-state={state} data-testid="verdict">
      <strong>
        <span aria-hidden="true">{signs[state]}</span> {words}
      </strong>
      <small>NDCG {change(gain)}</small>
    </p>
  );
}
