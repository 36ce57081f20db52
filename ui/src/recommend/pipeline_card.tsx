import { Card } from '../components/card.tsx';
import { Link } from '../lib/router.tsx';
import { useAnswer } from '../lib/use_answer.ts';
import type { Pipelines } from './types.ts';
import { sourceWords } from './words.ts';
import styles from './recommend.module.css';

const figures = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

/** How this placement is answered at all: sources, weights, rules; and what keeps a file from being used. */
export function PipelineCard({ placement }: { placement: string }) {
  const { answer } = useAnswer<Pipelines>('/v1/pipelines');
  const pipeline = answer?.placements[placement];
  if (!pipeline) return null;
  const by = pipeline.ranker ? `by ranker ${pipeline.ranker}` : 'by weights';
  return (
    <Card title="How this page is answered" note={`${pipeline.model}, ${by}, within ${pipeline.deadline_ms} ms`}>
      {answer.problems.map(({ about, why }) => (
        <p key={about} className={styles.fallback}>
          {about}: {why}
        </p>
      ))}
      <table className={styles.sources}>
        <thead>
          <tr>
            <th scope="col">Source</th>
            <th scope="col">Weight</th>
          </tr>
        </thead>
        <tbody>
          {pipeline.sources.map(({ name, weight, model, how }) => (
            <tr key={name}>
              <td>
                {model ? <Link href={`/models/${encodeURIComponent(name)}`}>{model}</Link> : sourceWords(name)}
                {how && <span className={styles.quiet}> {how}</span>}
              </td>
              <td className="figures">{figures.format(weight)}</td>
            </tr>
          ))}
          {pipeline.absent.map((name) => (
            <tr key={name}>
              <td>{name}</td>
              <td className={styles.quiet}>not deployed</td>
            </tr>
          ))}
          {pipeline.surplus.map((name) => (
            <tr key={name}>
              <td>{name}</td>
              <td className={styles.quiet}>no place left</td>
            </tr>
          ))}
        </tbody>
      </table>
      {pipeline.filter && <p className={styles.quiet}>Always filtered by {pipeline.filter}.</p>}
      {pipeline.promotions.length > 0 && <p className={styles.quiet}>Promotions: {pipeline.promotions.join(', ')}.</p>}
    </Card>
  );
}
