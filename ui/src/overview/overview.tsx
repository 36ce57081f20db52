import { SegmentedControl, Skeleton } from '@mantine/core';
import { LinkNotice } from '../components/link_notice.tsx';
import { PageHead } from '../components/page_head.tsx';
import { clockTime } from '../lib/format.ts';
import { navigate, useLocation } from '../lib/router.tsx';
import { Books } from './books.tsx';
import { DeviceVisits } from './devices.tsx';
import { FirstSteps } from './first_steps.tsx';
import { Pages } from './pages.tsx';
import { Popular } from './popular.tsx';
import { Sales } from './sales.tsx';
import { type Snapshot, windowOf, windows } from './types.ts';
import { type Recent, useSnapshot } from './use_snapshot.ts';
import { PageViews } from './views.tsx';
import { Vitals } from './vitals.tsx';
import styles from './overview.module.css';

/** The first page: what flows through Millrace, live. The window is kept in the address. */
export default function Overview() {
  const window = windowOf(useLocation().searchParams.get('window'));
  const { snapshot, recent, link, retry } = useSnapshot(window);
  return (
    <div className={styles.page}>
      <PageHead
        title="Overview"
        note={snapshot && <span className="figures">Figures of {clockTime(snapshot.time)}</span>}
        actions={<WindowChoice window={window} />}
      />
      <LinkNotice link={link} asOf={snapshot?.time} retry={retry} />
      {snapshot ? (
        <Figures snapshot={snapshot} recent={recent} live={link.status === 'live' && snapshot.window === window} />
      ) : (
        <Waiting />
      )}
    </div>
  );
}

function WindowChoice({ window }: { window: Snapshot['window'] }) {
  return (
    <SegmentedControl
      aria-label="Time window"
      className={styles.windows}
      data={windows.map(({ name, label }) => ({ value: name, label }))}
      value={window}
      onChange={(name) => navigate(`/?window=${name}`, { replace: true })}
    />
  );
}

function Figures({ snapshot, recent, live }: { snapshot: Snapshot; recent: Recent; live: boolean }) {
  if (snapshot.books.received === 0) return <FirstSteps />;
  return (
    <div className={styles.grid} data-stale={!live || undefined}>
      <Vitals snapshot={snapshot} recent={recent} live={live} />
      <PageViews snapshot={snapshot} />
      <Books books={snapshot.books} />
      <div className={styles.pair}>
        <Pages snapshot={snapshot} />
        <Popular snapshot={snapshot} />
      </div>
      <div className={styles.wideAndNarrow}>
        <Sales snapshot={snapshot} />
        <DeviceVisits snapshot={snapshot} />
      </div>
    </div>
  );
}

function Waiting() {
  return (
    <div className={styles.grid} aria-busy="true" aria-label="Loading" role="status">
      <Skeleton height={170} radius={18} />
      <Skeleton height={310} radius={14} />
      <Skeleton height={310} radius={14} />
    </div>
  );
}
