import { useCallback, useEffect, useRef, useState } from 'react';
import { call, CallError } from '../lib/http.ts';
import { callOf, type Question } from './question.ts';
import type { Answer, Recommended } from './types.ts';

export interface Asked {
  /** The last answer that came, to this question or the one before. */
  answer?: Answer;
  /** The items of it and of the pages after. */
  items: Recommended[];
  error?: CallError;
  /** An answer to this very question has not come yet. */
  waiting: boolean;
  more?: () => void;
}

/** Ask, and ask again when the question changes. An answer to an older question never takes the place of a newer one. */
export function useRecommendations(question: Question): Asked {
  const [state, setState] = useState<{ path: string; answer?: Answer; items: Recommended[]; error?: CallError }>();
  const turn = useRef(0);
  const path = callOf(question);

  const ask = useCallback(
    async (from: string, before: Recommended[]) => {
      const mine = ++turn.current;
      try {
        const { body } = await call<Answer>(from);
        if (mine === turn.current) setState({ path, answer: body, items: [...before, ...body.items] });
      } catch (failure) {
        if (mine === turn.current)
          setState((old) => ({ path, answer: old?.answer, items: old?.items ?? [], error: failure as CallError }));
      }
    },
    [path],
  );
  useEffect(() => void ask(path, []), [ask, path]);

  const cursor = state?.answer?.cursor;
  const waiting = state?.path !== path;
  return {
    answer: state?.answer,
    items: state?.items ?? [],
    error: waiting ? undefined : state?.error,
    waiting,
    ...(cursor && !waiting ? { more: () => void ask(callOf(question, cursor), state?.items ?? []) } : {}),
  };
}
