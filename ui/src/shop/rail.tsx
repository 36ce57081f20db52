import { Button, Skeleton } from '@mantine/core';
import { useEffect } from 'react';
import { milliseconds } from '../lib/format.ts';
import { Link } from '../lib/router.tsx';
import { Art } from './art.tsx';
import { Price } from './price.tsx';
import { type Change, shown, type Suggestion, type Suggestions } from './recommendations.ts';
import { nameOf } from './types.ts';
import type { Shop } from './use_shop.ts';
import styles from './rail.module.css';

const retryMs = 5_000;
/** A new shop's first list is ready within a second or so of its catalogue. */
const retryEmptyMs = 1_000;

/** What is recommended to this person at this moment, why, and how long the answer took. */
export function Rail({ shop }: { shop: Shop }) {
  const { suggestions, follow, retry } = shop;
  const { list, changed, failed, loading } = suggestions;
  const empty = list.length === 0 && !loading;
  useEffect(() => {
    if (!failed && !empty && !loading) return;
    const timer = setInterval(retry, empty && !failed ? retryEmptyMs : retryMs);
    return () => clearInterval(timer);
  }, [failed, empty, loading, retry]);

  return (
    <aside className={styles.rail} aria-labelledby="for-you">
      <header className={styles.head}>
        <h2 id="for-you">For you</h2>
        <Latency suggestions={suggestions} />
      </header>
      <p className={styles.note} role="status" data-testid="rail-note">
        {noteOf(suggestions)}
      </p>
      {failed && (
        <Button size="sm" variant="default" onClick={retry}>
          Ask again
        </Button>
      )}
      {loading ? (
        <Waiting />
      ) : (
        <ol className={styles.list} data-testid="rail">
          {list.map((suggestion) => (
            <Entry
              key={suggestion.id}
              suggestion={suggestion}
              change={changed.get(suggestion.id)}
              onFollow={() => follow(suggestions.recommendationId)}
            />
          ))}
        </ol>
      )}
    </aside>
  );
}

function Latency({ suggestions: { tookMs, failed } }: { suggestions: Suggestions }) {
  if (failed || tookMs === undefined) return null;
  return (
    <p className={styles.latency} title="From asking to having the answer, as this browser sees it">
      <span className="figures" data-testid="rail-latency">
        {milliseconds(tookMs)}
      </span>{' '}
      ms
    </p>
  );
}

/** The shape of the list to come. */
function Waiting() {
  return (
    <ul className={`${styles.list} ${styles.waiting}`} aria-hidden="true" data-testid="rail-waiting">
      {Array.from({ length: shown }, (_, i) => (
        <li key={i}>
          <Skeleton className={styles.picture} radius={9} />
          <span className={styles.lines}>
            <Skeleton height={14} width="80%" />
            <Skeleton height={11} width="55%" />
          </span>
        </li>
      ))}
    </ul>
  );
}

function noteOf({ list, changed, failed, fallback, loading }: Suggestions): string {
  if (loading) return 'Choosing for you…';
  if (failed)
    return list.length > 0
      ? 'The recommender does not answer. This is the last list that came.'
      : 'The recommender does not answer, and there is no earlier list yet.';
  if (list.length === 0) return 'Nothing to recommend yet. Look at a few things.';
  if (changed.size > 0) return `${changed.size} changed, because of what you just did.`;
  if (fallback === 'cold') return 'Nothing is known of you yet, so these sell best.';
  if (fallback) return 'The answer was late, so these sell best.';
  if (list.some((s) => s.reason.because.length > 0)) return 'Chosen by what you looked at and bought.';
  return 'Look at something, and this list changes.';
}

function Entry({
  suggestion,
  change,
  onFollow,
}: {
  suggestion: Suggestion;
  change: Change | undefined;
  onFollow: () => void;
}) {
  const { id, item, reason } = suggestion;
  return (
    <li className={styles.entry} data-change={change} data-item={id}>
      <Link href={`/shop/item/${encodeURIComponent(id)}`} onClick={onFollow}>
        <span className={styles.picture}>
          <Art id={id} name={nameOf(item)} />
        </span>
        <span className={styles.words}>
          <span className={styles.name}>
            {nameOf(item)}
            {change === 'new' && <span className={styles.new}>new</span>}
          </span>
          <span className={styles.reason}>{reason.text}</span>
          <Price item={item} />
        </span>
      </Link>
    </li>
  );
}
