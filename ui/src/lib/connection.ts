import { useSyncExternalStore } from 'react';

/**
 * How we stand with the server, for the whole program: `live` while a page follows a stream, `connected` when
 * calls are answered, `refused` when the server wants a token.
 */
export type Connection = 'connecting' | 'live' | 'connected' | 'lost' | 'refused';

let now: Connection = 'connecting';
let streams = 0;
const listeners = new Set<() => void>();

function become(next: Connection): void {
  if (next === now) return;
  now = next;
  for (const listener of listeners) listener();
}

/** A stream knows best: while one is followed, single calls say nothing. Returns what ends that. */
export function streamOpened(): () => void {
  streams++;
  return () => {
    if (--streams === 0 && now === 'live') become('connected');
  };
}

export const streamIs = (status: Exclude<Connection, 'connected'>): void => become(status);

/** A call was answered, or nothing answered it. */
export function callWas(answered: boolean): void {
  if (streams === 0) become(answered ? 'connected' : 'lost');
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const connection = (): Connection => now;
export const useConnection = (): Connection => useSyncExternalStore(subscribe, connection);

const pulseMs = 5_000;

/** Ask now and then whether the server is there, where no stream tells. Returns what ends that. */
export function watch(): () => void {
  const ask = async () => {
    if (streams > 0 || document.hidden) return;
    try {
      await fetch('/healthz', { cache: 'no-store' });
      callWas(true);
    } catch {
      callWas(false);
    }
  };
  const timer = setInterval(() => void ask(), pulseMs);
  return () => clearInterval(timer);
}
