import { SegmentedControl, Skeleton } from '@mantine/core';
import { clockTime } from '../lib/format.ts';
import type { LinkState } from '../lib/live.ts';
import { navigate, useLocation } from '../lib/router.tsx';
import { Books } from './books.tsx';
import { DeviceVisits } from './devices.tsx';
import { FirstSteps } from './first_steps.tsx';
import { LinkNotice } from './link_notice.tsx';
import { Pages } from './pages.tsx';
import { Popular } from './popular.tsx';
import { Sales } from './sales.tsx';
import { type Snapshot, windowOf, windows } from './types.ts';
import { type Recent, useDashboard } from './use_dashboard.ts';
import { PageViews } from './views.tsx';
import { Vitals } from './vitals.tsx';
import styles from './dashboard.module.css';

/** The first page: what flows through Millrace, live. The window is kept in the address. */
export default function Dashboard() {
  const window = windowOf(useLocation().searchParams.get('window'));
  const { snapshot, recent, link, retry } = useDashboard(window);
  const choose = (name: string) => navigate(`/?window=${name}`, { replace: true });
  return (
    <div className={styles.page}>
      <header className={styles.head}>
        <div>
          <h1>Dashboard</h1>
          <Status link={link} snapshot={snapshot} />
        </div>
        <SegmentedControl
          aria-label="Time window"
          className={styles.windows}
          data={windows.map(({ name, label }) => ({ value: name, label }))}
          value={window}
          onChange={choose}
        />
      </header>
      <LinkNotice link={link} asOf={snapshot?.time} retry={retry} />
      {snapshot ? (
        <Figures snapshot={snapshot} recent={recent} live={link.status === 'live' && snapshot.window === window} />
      ) : (
        <Waiting />
      )}
    </div>
  );
}

function Status({ link, snapshot }: { link: LinkState; snapshot: Snapshot | undefined }) {
  const live = link.status === 'live';
  return (
    <p className={styles.status}>
      <span className={live ? styles.drop : styles.dropStill} aria-hidden="true" />
      <span data-testid="link">{live ? 'Live' : link.status === 'refused' ? 'Locked' : 'Not live'}</span>
      {snapshot && <span className="figures">· {clockTime(snapshot.time)}</span>}
    </p>
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
    <div className={styles.grid} aria-busy="true" aria-label="Loading">
      <Skeleton height={170} radius={18} />
      <Skeleton height={310} radius={14} />
      <Skeleton height={310} radius={14} />
    </div>
  );
}
