import { useEffect, useRef, useState } from 'react';
import { follow, type LinkState, type Live } from '../lib/live.ts';
import type { FlowSnapshot } from './types.ts';

const keptMax = 90;

/** Follow the flow; the snapshots of the last minute and a half, oldest first. */
export function useFlow(): { kept: FlowSnapshot[]; link: LinkState; retry: () => void } {
  const [kept, setKept] = useState<FlowSnapshot[]>([]);
  const [link, setLink] = useState<LinkState>({ status: 'connecting' });
  const live = useRef<Live>(undefined);
  useEffect(() => {
    live.current = follow(
      '/v1/flow/stream',
      (event, data) => {
        if (event !== 'snapshot') return;
        const next = JSON.parse(data) as FlowSnapshot;
        // A clock that went back is another process: its counters began anew.
        setKept((old) => [...(next.clock_s > (old.at(-1)?.clock_s ?? 0) ? old : []), next].slice(-keptMax));
      },
      setLink,
    );
    return () => live.current?.close();
  }, []);
  return { kept, link, retry: () => live.current?.retry() };
}
