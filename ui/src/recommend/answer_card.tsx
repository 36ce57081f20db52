import { Button, UnstyledButton } from '@mantine/core';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { ErrorNote } from '../components/error_note.tsx';
import { categoryPath, milliseconds } from '../lib/format.ts';
import { Art } from '../shop/art.tsx';
import { Price } from '../shop/price.tsx';
import { nameOf } from '../shop/types.ts';
import type { Recommended } from './types.ts';
import { useItems } from './use_items.ts';
import type { Asked } from './use_recommendations.ts';
import { fallbackWords, sourceWords } from './words.ts';
import styles from './recommend.module.css';

/** What is recommended, and why. A click on something is the next click of the visit. */
export function AnswerCard({ asked, onClick }: { asked: Asked; onClick: (id: string) => void }) {
  const { answer, items, error, waiting, more } = asked;
  const known = useItems(items.map(({ id }) => id));
  return (
    <Card
      title="The answer"
      note={answer ? `${answer.model}, in ${milliseconds(answer.explanation.latency_us / 1000)} ms on the server` : ' '}
    >
      {error && <ErrorNote testId="failure">{error.message}</ErrorNote>}
      {answer?.fallback && (
        <p className={styles.fallback} role="status" data-testid="fallback">
          {fallbackWords(answer.fallback)}{' '}
          {answer.fallback !== 'cold' && answer.fallback_reason && <span>{answer.fallback_reason}</span>}
        </p>
      )}
      <ol className={styles.list} aria-busy={waiting} data-testid="answer">
        {items.map((item) => (
          <li key={item.id}>
            <UnstyledButton className={styles.entry} onClick={() => onClick(item.id)} data-item={item.id}>
              <span className={styles.picture}>
                <Art id={item.id} name={nameOf(known.get(item.id)!)} />
              </span>
              <span className={styles.words}>
                <span className={styles.name}>{nameOf(known.get(item.id)!)}</span>
                <span className={styles.reason}>{item.reason.text}</span>
                <span className={styles.quiet}>
                  {categoryPath(known.get(item.id)!.attributes.category ?? '')} <Price item={known.get(item.id)!} />
                </span>
              </span>
              <Score item={item} most={Math.max(...items.map(({ score }) => score))} />
            </UnstyledButton>
          </li>
        ))}
      </ol>
      {answer && items.length === 0 && !waiting && (
        <Empty>Nothing passes. Below stands what was found, and what kept it out.</Empty>
      )}
      {more && (
        <Button variant="default" className={styles.more} onClick={more}>
          Show more
        </Button>
      )}
    </Card>
  );
}

const significant = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 });

function Score({ item, most }: { item: Recommended; most: number }) {
  const width = most > 0 ? Math.max(0, item.score / most) * 100 : 0;
  return (
    <span className={styles.score} title={featuresOf(item)}>
      <span className="figures">{significant.format(item.score)}</span>
      <span className={styles.meter} aria-hidden="true">
        <span style={{ width: `${width}%` }} />
      </span>
      <span className={styles.quiet}>{sourceWords(item.source)}</span>
    </span>
  );
}

/** What the ranker looks at, where it is kept. */
const featuresOf = ({ features }: Recommended): string | undefined =>
  features &&
  Object.entries(features)
    .map(([name, value]) => `${sourceWords(name)}: ${significant.format(value)}`)
    .join('\n');
