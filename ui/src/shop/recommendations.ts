import { useCallback, useEffect, useRef, useState } from 'react';
import { call, recallJson, remember } from '../lib/http.ts';
import { itemById } from './catalogue.ts';
import { idOf } from './people.ts';
import type { Item, Person, Placement, RecommendationList, RecommendedItem } from './types.ts';

/** A recommendation with the item it is about. */
export interface Suggestion extends RecommendedItem {
  item: Item;
}

export type Change = 'new' | 'new reason';

export interface Suggestions {
  list: Suggestion[];
  recommendationId?: string;
  fallback: RecommendationList['fallback'];
  tookMs?: number;
  /** What differs from the list before: items that came in, and items that stay for another reason. */
  changed: Map<string, Change>;
  /** The call failed: `list` is the last one that came. */
  failed: boolean;
  /** No answer has come yet, neither good nor bad. */
  loading: boolean;
}

export interface Context {
  person: Person;
  placement: Placement;
  /** On the page, or in the cart. */
  items: string[];
}

/** How many are asked for. */
export const shown = 6;
const nothing: Suggestions = { list: [], fallback: null, changed: new Map(), failed: false, loading: true };

/** Compare two lists. The first list of all has no changes: everything would be one. */
export function changesOf(before: RecommendedItem[], next: RecommendedItem[]): Map<string, Change> {
  const changes = new Map<string, Change>();
  if (before.length === 0) return changes;
  for (const { id, reason } of next) {
    const old = before.find((b) => b.id === id);
    if (!old) changes.set(id, 'new');
    else if (old.reason.text !== reason.text) changes.set(id, 'new reason');
  }
  return changes;
}

/** The last list is kept in the browser, for the day the recommender cannot be reached. */
const keptKey = 'millrace-last-list';
const lastList = (): Suggestion[] => recallJson<Suggestion[]>(keptKey, []);

async function ask({
  person,
  placement,
  items,
}: Context): Promise<{ answer: RecommendationList; list: Suggestion[]; tookMs: number }> {
  const query = new URLSearchParams({
    user: idOf(person),
    session: person.sessionId,
    placement,
    n: String(shown),
    explain: '1',
  });
  if (items.length > 0) query.set('items', items.join(','));
  const { body: answer, tookMs } = await call<RecommendationList>(`/v1/recommendations?${query}`);
  const withItems = answer.items.map(async (r) => ({
    ...r,
    item: (await itemById(r.id)) ?? { id: r.id, attributes: {} },
  }));
  return { answer, list: await Promise.all(withItems), tookMs };
}

/** The time in which the platform takes an event in, at the very most; it is a matter of milliseconds. */
const secondLookMs = 300;

/**
 * What to show beside the page. `refresh` asks again, and resolves to what came: an event
 * is durable a moment before the recommender knows of it, so an unchanged list gets a second look.
 */
export function useRecommendations(): Suggestions & {
  refresh: (context: Context) => Promise<Suggestions | undefined>;
} {
  const [suggestions, setSuggestions] = useState(nothing);
  const latest = useRef({ turn: 0, list: [] as Suggestion[], who: '' });
  useEffect(() => () => void latest.current.turn++, []);

  const once = useCallback(async (context: Context, turn: number): Promise<Suggestions | undefined> => {
    const now = latest.current;
    const isStale = () => now.turn !== turn;
    try {
      const { answer, list, tookMs } = await ask(context);
      if (isStale()) return undefined;
      const before = now.who === idOf(context.person) ? now.list : [];
      const changed = changesOf(before, list);
      now.list = list;
      now.who = idOf(context.person);
      remember(keptKey, JSON.stringify(list));
      return {
        list,
        recommendationId: answer.recommendation_id,
        fallback: answer.fallback,
        tookMs,
        changed,
        failed: false,
        loading: false,
      };
    } catch {
      if (isStale()) return undefined;
      return { ...nothing, list: now.list.length > 0 ? now.list : lastList(), failed: true, loading: false };
    }
  }, []);

  const refresh = useCallback(
    async (context: Context) => {
      const turn = ++latest.current.turn;
      let next = await once(context, turn);
      if (next) setSuggestions(next);
      if (next && !next.failed && next.changed.size === 0) {
        await new Promise((resolve) => setTimeout(resolve, secondLookMs));
        if (latest.current.turn !== turn) return next;
        const second = await once(context, turn);
        if (second && (second.failed || second.changed.size > 0)) setSuggestions((next = second));
      }
      return next;
    },
    [once],
  );
  return { ...suggestions, refresh };
}
