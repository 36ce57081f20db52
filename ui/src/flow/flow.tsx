import { Skeleton } from '@mantine/core';
import { memo, useState } from 'react';
import { LinkNotice } from '../components/link_notice.tsx';
import { PageHead } from '../components/page_head.tsx';
import { clockTime } from '../lib/format.ts';
import { useLocation } from '../lib/router.tsx';
import { graphOf, type Graph } from './graph.ts';
import { Jobs } from './jobs.tsx';
import { Logs } from './logs.tsx';
import { Picture } from './picture.tsx';
import { Quarantine } from './quarantine.tsx';
import { standingOf, Subscriptions } from './subscriptions.tsx';
import type { FlowSnapshot } from './types.ts';
import { useFlow } from './use_flow.ts';
import { useStable } from './use_stable.ts';
import styles from './flow.module.css';

/** The flow, live: from the sources through the log and its jobs to what they fill, and what went wrong. */
export default function Flow() {
  const { kept, link, retry } = useFlow();
  const [search, setSearch] = useState(useLocation().searchParams.get('record') ?? '');
  const now = kept.at(-1);
  const graph = graphOf(kept);
  return (
    <div className={styles.page}>
      <PageHead
        title="Flow"
        note={now && <span className="figures">Figures of {clockTime(now.time)}</span>}
        actions={graph && <Verdict graph={graph} />}
      />
      <LinkNotice link={link} asOf={now?.time} retry={retry} />
      {now && graph ? (
        <Figures now={now} kept={kept} graph={graph} live={link.status === 'live'} onRecord={setSearch} />
      ) : (
        <div className={styles.page} aria-busy="true" aria-label="Loading" role="status">
          <Skeleton height={430} radius={14} />
          <Skeleton height={310} radius={14} />
        </div>
      )}
      <StillLogs key={search} search={search} onRecord={setSearch} />
    </div>
  );
}

// Each second brings a snapshot, most of which says what the one before said: only what changed is drawn anew.
const StillPicture = memo(Picture);
const StillJobs = memo(Jobs);
const StillSubscriptions = memo(Subscriptions);
const StillQuarantine = memo(Quarantine);
const StillLogs = memo(Logs);

interface FiguresProps {
  now: FlowSnapshot;
  kept: FlowSnapshot[];
  graph: Graph;
  live: boolean;
  onRecord: (record: string) => void;
}

function Figures({ now, kept, graph, live, onRecord }: FiguresProps) {
  const stillGraph = useStable(graph);
  const facts = useStable({
    books: now.books,
    logBytes: now.log.bytes,
    lakeBytes: now.counters['archive_bytes_total'] ?? 0,
    waiting: now.subscriptions.length > 0 ? now.subscriptions.reduce((sum, one) => sum + one.backlog, 0) : undefined,
  });
  return (
    <div className={styles.page} data-stale={!live || undefined}>
      <StillPicture graph={stillGraph} facts={facts} live={live} />
      <StillJobs graph={stillGraph} />
      <div className={styles.pair}>
        <StillSubscriptions standing={useStable(standingOf(kept))} />
        <StillQuarantine rows={useStable(now.quarantine)} onRecord={onRecord} />
      </div>
    </div>
  );
}

/** One look: does everything keep up? */
function Verdict({ graph }: { graph: Graph }) {
  const troubled = graph.jobs.filter(({ health }) => health.state !== 'ok').map(({ figures }) => figures.name);
  return (
    <p className={styles.verdict} data-state={graph.state} data-testid="verdict">
      {troubled.length === 0 ? 'Everything keeps up' : `Look at ${troubled.join(', ')}`}
    </p>
  );
}
