import type { CSSProperties } from 'react';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { bytes, count, rate } from '../lib/format.ts';
import type { State } from './health.ts';
import type { Graph, JobNode } from './graph.ts';
import type { Books } from './types.ts';
import styles from './picture.module.css';

/** What the picture tells beside rates. */
export interface Facts {
  books: Books;
  logBytes: number;
  /** Written by this process. */
  lakeBytes: number;
  /** Messages of all subscriptions; none where nobody has subscribed. */
  waiting: number | undefined;
}

/** Left to right on a wide screen, top to bottom on a narrow one. */
export function Picture({ graph, facts, live }: { graph: Graph; facts: Facts; live: boolean }) {
  const rows = graph.jobs.length;
  return (
    <Card
      title="The flow"
      note="Events a second, over the last five; where files are written, over ninety."
      table={<Rates graph={graph} />}
    >
      <div className={styles.flow} data-testid="picture">
        {graph.sources.map((source, i) => (
          <Source key={source.name} source={source} row={sourceRow(i, graph.sources.length, rows)} live={live} />
        ))}
        <Log facts={facts} graph={graph} rows={rows} />
        {graph.jobs.map((job, i) => (
          <JobRow key={job.figures.name} job={job} row={i + 1} span={spanOf(graph.jobs, i)} facts={facts} live={live} />
        ))}
        <Refused graph={graph} facts={facts} row={rows + 1} live={live} />
      </div>
    </Card>
  );
}

/** The rows of the grid that a source takes: all rows divided among the sources. */
const sourceRow = (i: number, sources: number, rows: number): string =>
  `${Math.floor((i * rows) / sources) + 1} / ${Math.floor(((i + 1) * rows) / sources) + 1}`;

/** How many rows the store of a job takes: jobs that fill the same stand together. 0: it is the one above. */
function spanOf(jobs: JobNode[], i: number): number {
  if (jobs[i - 1]?.store === jobs[i]!.store) return 0;
  return jobs.slice(i).findIndex(({ store }) => store !== jobs[i]!.store) < 0
    ? jobs.length - i
    : jobs.slice(i).findIndex(({ store }) => store !== jobs[i]!.store);
}

interface ArrowProps {
  perSecond: number;
  live: boolean;
  className: string;
  style?: CSSProperties;
  state?: State | 'refused';
  testId?: string;
}

/** As thick as what flows is much, each ten times more by the same step; drops move the faster the more there are. */
function Arrow({ perSecond, live, className, style, state = 'ok', testId }: ArrowProps) {
  const weight = perSecond <= 0 ? 0 : Math.log10(1 + perSecond);
  return (
    <div
      className={`${styles.arrow} ${className}`}
      style={style}
      data-state={state}
      data-idle={perSecond <= 0 || undefined}
    >
      <span className={styles.rate} data-testid={testId}>
        {rate(perSecond)}
        <small>/s</small>
      </span>
      <span
        className={styles.line}
        style={{ '--thick': `${Math.min(9, 1.5 + weight * 1.7)}px` } as CSSProperties}
        aria-hidden="true"
      >
        {live && perSecond > 0 && (
          <span className={styles.drops} style={{ animationDuration: `${Math.max(0.9, 3.4 - weight * 0.6)}s` }} />
        )}
      </span>
    </div>
  );
}

function Source({ source, row, live }: { source: Graph['sources'][number]; row: string; live: boolean }) {
  return (
    <>
      <div className={`${styles.node} ${styles.source}`} style={{ gridRow: row }}>
        <strong>{source.name}</strong>
        <small>{source.note}</small>
      </div>
      <Arrow
        perSecond={source.rate}
        live={live}
        className={styles.sourceArrow!}
        style={{ gridRow: row }}
        testId={`rate-${source.name.toLowerCase()}`}
      />
    </>
  );
}

function Log({ facts, graph, rows }: { facts: Facts; graph: Graph; rows: number }) {
  return (
    <div className={styles.log} style={{ gridRow: `1 / ${rows + 1}` }}>
      <strong>Event log</strong>
      <span className={styles.big} data-testid="logged">
        {count(facts.books.logged)}
      </span>
      <small>events, safe on disk</small>
      <small>
        {rate(graph.eventsPerSecond)} a second · {bytes(facts.logBytes)}
      </small>
    </div>
  );
}

interface JobRowProps {
  job: JobNode;
  row: number;
  span: number;
  facts: Facts;
  live: boolean;
}

function JobRow({ job, row, span, facts, live }: JobRowProps) {
  const { figures, health } = job;
  const state = health.state;
  return (
    <>
      <Arrow
        perSecond={job.rate}
        live={live}
        className={styles.jobArrow!}
        style={{ gridRow: row }}
        state={state}
        testId={`rate-${figures.name}`}
      />
      <div className={`${styles.node} ${styles.job}`} style={{ gridRow: row }} data-state={state}>
        <strong>
          <span className={styles.dot} aria-hidden="true" />
          {figures.name}
        </strong>
        <small data-testid={`health-${figures.name}`}>{health.words}</small>
      </div>
      <Arrow perSecond={job.rate} live={live} className={styles.storeArrow!} style={{ gridRow: row }} state={state} />
      <div
        className={`${styles.node} ${styles.store} ${span === 0 ? styles.again : ''}`}
        style={{ gridRow: `${row} / ${row + Math.max(1, span)}` }}
      >
        <strong>{job.store}</strong>
        <small>{storeFigure(job.store, facts) ?? job.storeNote}</small>
      </div>
    </>
  );
}

/** What a store holds, where we know it. */
function storeFigure(store: string, facts: Facts): string | undefined {
  if (store === 'Warehouse') return `${count(facts.books.applied)} events`;
  if (store === 'Lake' && facts.lakeBytes > 0) return `${bytes(facts.lakeBytes)} since the start`;
  if (store === 'Subscribers' && facts.waiting !== undefined) return `${count(facts.waiting)} waiting`;
  return undefined;
}

function Refused({ graph, facts, row, live }: { graph: Graph; facts: Facts; row: number; live: boolean }) {
  const later = facts.books.quarantined_later;
  return (
    <>
      <div className={styles.refusedWords} style={{ gridRow: row }}>
        refused
      </div>
      <Arrow
        perSecond={graph.refusedRate}
        live={live}
        className={styles.sourceArrow!}
        style={{ gridRow: row }}
        state="refused"
        testId="rate-refused"
      />
      <div className={styles.quarantine} style={{ gridRow: row }} data-any={facts.books.quarantined > 0 || undefined}>
        <strong>Quarantine</strong>
        <small>
          <span data-testid="quarantined">{count(facts.books.quarantined)}</span> kept with the reason
          {later > 0 && `, ${count(later)} more set aside by jobs`}
        </small>
      </div>
    </>
  );
}

function Rates({ graph }: { graph: Graph }) {
  const rows = [
    ...graph.sources.map(({ name, rate: r }) => ({ from: name, to: 'Event log', rate: r })),
    { from: 'All sources', to: 'Quarantine', rate: graph.refusedRate },
    ...graph.jobs.map(({ figures, store, rate: r }) => ({ from: `Event log, ${figures.name}`, to: store, rate: r })),
  ];
  return (
    <DataTable
      caption="Events a second"
      rows={rows}
      keyOf={(row) => row.from}
      columns={[
        { head: 'From', cell: (row) => row.from },
        { head: 'To', cell: (row) => row.to },
        { head: 'A second', cell: (row) => rate(row.rate), figure: true },
      ]}
    />
  );
}
