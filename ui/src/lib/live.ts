import { streamIs, streamOpened } from './connection.ts';
import { authorization } from './http.ts';
import { EventStreamParser } from './sse.ts';

/** How a live connection stands. `refused` needs a person: the server wants a token. */
export type LinkState = { status: 'connecting' | 'live' | 'refused' } | { status: 'lost'; retryAt: number };

export interface Live {
  /** Try again now instead of at `retryAt`. */
  retry(): void;
  close(): void;
}

/** No byte for so long means the line is dead; the server sends one at least every 10 s. */
const silenceMsMax = 25_000;

/** Wait before the n-th attempt (from 0): doubles from half a second up to four. */
export const backoffMs = (attempt: number): number => Math.min(500 * 2 ** attempt, 4_000);

/**
 * Follow the server-sent events of `url` and connect again whenever the line is lost. While the
 * page is hidden the line is closed, so that forgotten tabs cost nobody anything.
 */
export function follow(
  url: string,
  onData: (event: string, data: string) => void,
  onLinkState: (state: LinkState) => void,
): Live {
  const closed = streamOpened();
  const onState = (state: LinkState) => (streamIs(state.status), onLinkState(state));
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let current: AbortController | undefined;

  const stop = () => {
    clearTimeout(timer);
    current?.abort();
    current = undefined;
  };

  const connect = async () => {
    stop();
    const mine = (current = new AbortController());
    onState({ status: 'connecting' });
    try {
      await read(url, mine, (event, data) => {
        attempt = 0;
        onState({ status: 'live' });
        onData(event, data);
      });
    } catch (error) {
      if (mine === current && error instanceof Refused) return onState({ status: 'refused' });
    }
    if (mine !== current) return;
    const wait = backoffMs(attempt++);
    onState({ status: 'lost', retryAt: Date.now() + wait });
    timer = setTimeout(connect, wait);
  };

  const wake = () => (document.hidden ? stop() : void connect());
  document.addEventListener('visibilitychange', wake);
  window.addEventListener('online', wake);
  if (!document.hidden) void connect();

  return {
    retry: () => void connect(),
    close: () => {
      stop();
      closed();
      document.removeEventListener('visibilitychange', wake);
      window.removeEventListener('online', wake);
    },
  };
}

class Refused extends Error {}

/** Read until the stream ends (returns) or fails (throws). */
async function read(
  url: string,
  abort: AbortController,
  onEvent: (event: string, data: string) => void,
): Promise<void> {
  let watchdog = setTimeout(() => abort.abort(), silenceMsMax);
  try {
    const response = await fetch(url, {
      signal: abort.signal,
      headers: { Accept: 'text/event-stream', ...authorization() },
      cache: 'no-store',
    });
    if (response.status === 401 || response.status === 403) throw new Refused();
    if (!response.ok || !response.body) throw new Error(`answered ${response.status}`);
    const parser = new EventStreamParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(watchdog);
      watchdog = setTimeout(() => abort.abort(), silenceMsMax);
      for (const { event, data } of parser.push(value)) onEvent(event, data);
    }
  } finally {
    clearTimeout(watchdog);
  }
}
