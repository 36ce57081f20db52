import { useEffect, useRef, useState } from 'react';
import { follow, type LinkState, type Live } from '../lib/live.ts';
import type { Snapshot, WindowName } from './types.ts';

/** The last two minutes of a figure, one value for each snapshot. */
export interface Recent {
  events: number[];
  p99: number[];
}

export interface LiveSnapshot {
  /** The newest figures; those of another window until the first of this one has come. */
  snapshot: Snapshot | undefined;
  recent: Recent;
  link: LinkState;
  retry: () => void;
}

const recentMax = 120;
const append = (values: number[], value: number) => [...values, value].slice(-recentMax);

/** Follow the figures of a window. */
export function useSnapshot(window: WindowName): LiveSnapshot {
  const [snapshot, setSnapshot] = useState<Snapshot>();
  const [recent, setRecent] = useState<Recent>({ events: [], p99: [] });
  const [link, setLink] = useState<LinkState>({ status: 'connecting' });
  const live = useRef<Live>(undefined);

  useEffect(() => {
    const take = (event: string, data: string) => {
      if (event !== 'snapshot') return;
      const next = JSON.parse(data) as Snapshot;
      setSnapshot(next);
      setRecent((old) => ({
        events: append(old.events, next.rates.events_per_s),
        p99: append(old.p99, next.recommendations.p99_ms),
      }));
    };
    live.current = follow(`/v1/dashboard/stream?window=${window}`, take, setLink);
    return () => live.current?.close();
  }, [window]);

  return { snapshot, recent, link, retry: () => live.current?.retry() };
}
