import { useCallback, useEffect, useState } from 'react';
import { objectsOf, type Rows } from '../flow/types.ts';
import { call, post } from '../lib/http.ts';
import { type Entry, type Filter, type Group, type Result, said } from './types.ts';

const pageSize = 50;

interface Desk {
  groups: Group[];
  entries: Entry[];
  /** Where older entries begin; null when all are shown. */
  cursor: string | null;
  loaded: boolean;
  error: string | undefined;
  older: () => Promise<void>;
  refresh: () => void;
}

/** The kinds of mistakes that fit `kinds`, and the records that fit `filter`, read again when either changes. */
export function useDesk(kinds: Filter, filter: Filter): Desk {
  const [groups, setGroups] = useState<Group[]>([]);
  const [page, setPage] = useState<{ entries: Entry[]; cursor: string | null }>({ entries: [], cursor: null });
  const [loaded, setLoaded] = useState(false);
  const [error, setError] = useState<string>();
  const [turn, setTurn] = useState(0);
  const kindsQuery = new URLSearchParams(said(kinds)).toString();
  const query = new URLSearchParams(said(filter)).toString();

  useEffect(() => {
    let current = true;
    Promise.all([
      call<Rows>(`/v1/quarantine/groups?${kindsQuery}`),
      call<Rows & { cursor: string | null }>(`/v1/quarantine?limit=${pageSize}&${query}`),
    ]).then(
      ([kindsAnswer, answer]) => {
        if (!current) return;
        setGroups(objectsOf<Group>(kindsAnswer.body));
        setPage({ entries: objectsOf<Entry>(answer.body), cursor: answer.body.cursor });
        setLoaded(true);
        setError(undefined);
      },
      (failure: Error) => current && setError(failure.message),
    );
    return () => void (current = false);
  }, [kindsQuery, query, turn]);

  const older = useCallback(async () => {
    const from = new URLSearchParams({ cursor: page.cursor ?? '' }).toString();
    try {
      const { body } = await call<Rows & { cursor: string | null }>(
        `/v1/quarantine?limit=${pageSize}&${query}&${from}`,
      );
      setPage({ entries: [...page.entries, ...objectsOf<Entry>(body)], cursor: body.cursor });
    } catch (failure) {
      setError((failure as Error).message);
    }
  }, [page, query]);
  const refresh = useCallback(() => setTurn((n) => n + 1), []);
  return { groups, ...page, loaded, error, older, refresh };
}

/** The records that an action is about: those chosen, else all that fit. */
export type Target = { records: string[] } | { filter: Record<string, string> };

/** Act on all of `target`, a part at a time. `onPart` hears how far it is. */
export async function act(
  verb: 'replay' | 'drop' | 'reopen',
  target: Target,
  words: { mend?: string; note?: string },
  onPart: (result: Result) => void,
): Promise<Result> {
  const all: Result = { done: 0, failed: 0, outcomes: [], cursor: null };
  for (let cursor: string | null = ''; cursor !== null;) {
    const body: Record<string, unknown> = { ...target, ...words };
    if (cursor) body.cursor = cursor;
    const { body: part } = await post<Result>(`/v1/quarantine/${verb}`, body);
    all.done += part.done;
    all.failed += part.failed;
    all.outcomes.push(...part.outcomes.filter(({ error }) => error));
    cursor = part.cursor;
    onPart({ ...all });
  }
  return all;
}

export const tryOut = async (target: Target, mend: string): Promise<Result> =>
  (await post<Result>('/v1/quarantine/try', { ...target, mend, limit: 10 })).body;
