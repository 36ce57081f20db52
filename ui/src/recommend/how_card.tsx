import { BarList } from '../components/bar_list.tsx';
import { Card } from '../components/card.tsx';
import { count } from '../lib/format.ts';
import type { Answer, Clause } from './types.ts';
import { byCount, droppedWords, sourceWords, stepsOf, stepWords } from './words.ts';
import styles from './recommend.module.css';

/** How the answer came about: what was found, what was left out, how long each step took. */
export function HowCard({ answer: { explanation } }: { answer: Answer }) {
  const { candidates, filtered, filter, stages_us, models, error } = explanation;
  return (
    <Card title="How it came about" note={models.length > 0 ? `It asked ${models.join(', ')}.` : undefined}>
      {error && <p className={styles.fallback}>{error}</p>}
      <div className={styles.how}>
        <Counts title="Found, by source" counts={candidates} words={sourceWords} />
        <Counts title="Left out" counts={filtered} words={droppedWords} />
        <div>
          <h3 className={styles.label}>Time by step, µs</h3>
          <BarList
            label="Time by step"
            bars={stepsOf(stages_us).map(([name, us]) => ({ key: name, label: stepWords(name), value: us }))}
          />
        </div>
        {filter && filter.length > 0 && <Clauses clauses={filter} />}
      </div>
    </Card>
  );
}

function Counts({
  title,
  counts,
  words,
}: {
  title: string;
  counts: Record<string, number>;
  words: (name: string) => string;
}) {
  const all = byCount(counts);
  return (
    <div>
      <h3 className={styles.label}>{title}</h3>
      {all.length === 0 ? (
        <p className={styles.quiet}>Nothing.</p>
      ) : (
        <BarList label={title} bars={all.map(([name, n]) => ({ key: name, label: words(name), value: n }))} />
      )}
    </div>
  );
}

function Clauses({ clauses }: { clauses: Clause[] }) {
  return (
    <div>
      <h3 className={styles.label}>What the filter did</h3>
      <ul className={styles.clauses}>
        {clauses.map(({ clause, looked_at, matched, hint }) => (
          <li key={clause}>
            <code>{clause}</code> let {count(matched)} of {count(looked_at)} pass.
            {hint && <span className={styles.hint}> {hint}</span>}
          </li>
        ))}
      </ul>
    </div>
  );
}
