import { useCallback, useEffect, useState } from 'react';
import { call, CallError } from './http.ts';

interface Asked<T> {
  answer: T | undefined;
  error: CallError | undefined;
  refresh: () => void;
}

/**
 * The answer to a GET of `path`; asked again when told, and when the page comes back into sight. Meanwhile what is
 * known stays; with an error too.
 */
export function useAnswer<T>(path: string): Asked<T> {
  const [known, setKnown] = useState<{ path: string; answer?: T; error?: CallError }>({ path });
  const [turn, setTurn] = useState(0);
  const refresh = useCallback(() => setTurn((n) => n + 1), []);

  useEffect(() => {
    let current = true;
    const keep = (news: { answer: T } | { error: CallError }) =>
      current &&
      setKnown((old) => ({ path, answer: old.path === path ? old.answer : undefined, error: undefined, ...news }));
    call<T>(path).then(
      ({ body }) => keep({ answer: body }),
      (failure: Error) => keep({ error: failure instanceof CallError ? failure : new CallError(0, failure.message) }),
    );
    return () => void (current = false);
  }, [path, turn]);

  useEffect(() => {
    const seen = () => !document.hidden && refresh();
    document.addEventListener('visibilitychange', seen);
    return () => document.removeEventListener('visibilitychange', seen);
  }, [refresh]);

  const mine = known.path === path;
  return { answer: mine ? known.answer : undefined, error: mine ? known.error : undefined, refresh };
}
