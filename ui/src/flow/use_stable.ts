import { useRef } from 'react';

/** Return the value of before where the new one says the same, so that what depends on it need not be drawn anew. */
export function useStable<T>(value: T): T {
  const kept = useRef({ value, text: JSON.stringify(value) });
  const text = JSON.stringify(value);
  if (text !== kept.current.text) kept.current = { value, text };
  return kept.current.value;
}
