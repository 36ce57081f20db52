import { Suspense, useMemo, useState } from 'react';
import { fetched } from '../charts/fetched.tsx';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { Empty } from '../components/empty.tsx';
import { count, dayOf, minuteTime, rate } from '../lib/format.ts';
import { isLive, layOut, type Series, stepWords } from './series.ts';
import { type Snapshot, windowWords } from './types.ts';
import styles from './overview.module.css';

const TimeSeries = fetched(() => import('../charts/time_series.tsx'));
const chartHeight = 232;

/** Page views a minute over the chosen window: what is over as a line, what is running as a number. */
export function PageViews({ snapshot }: { snapshot: Snapshot }) {
  const { page_views_per_minute: steps, page_views_step_s: stepS, as_of, time, window } = snapshot;
  const live = isLive(as_of, time);
  const series = useMemo(() => layOut(steps, stepS, time, live), [steps, stepS, time, live]);
  const [point, setPoint] = useState<number>();
  const isEmpty = series.perMinute.every((v) => v === 0) && !series.running?.views;

  return (
    <Card
      title="Page views a minute"
      note={noteOf(series, window, live ? undefined : as_of)}
      actions={!isEmpty && <Readout series={series} point={point} />}
      table={!isEmpty && <ViewsTable series={series} />}
    >
      {isEmpty ? (
        <Empty>No page was viewed in {windowWords(window)}.</Empty>
      ) : (
        <Suspense fallback={<div style={{ height: chartHeight }} />}>
          <TimeSeries
            times={series.times}
            values={series.perMinute}
            running={series.running && { time: series.running.time, value: series.running.perMinute }}
            height={chartHeight}
            onPoint={setPoint}
          />
        </Suspense>
      )}
    </Card>
  );
}

function noteOf(series: Series, window: Snapshot['window'], upTo: string | undefined): string {
  const end = upTo ? `, up to ${minuteTime(new Date(upTo), true)}` : '';
  const averaged = series.stepMinutes > 1 ? `, averaged over each ${stepWords(series.stepMinutes)}` : '';
  return `In ${windowWords(window)}${end}${averaged}`;
}

/** The point under the pointer, else what is running, else the last of old data. */
function Readout({ series, point }: { series: Series; point: number | undefined }) {
  const { times, perMinute, running, stepMinutes } = series;
  const at = point ?? (running ? times.length : times.length - 1);
  const isRunning = at >= times.length && running !== undefined;
  const value = isRunning ? (stepMinutes === 1 ? running.views : running.perMinute) : perMinute[at]!;
  return (
    <p className={styles.readout}>
      <strong className="figures" data-testid="views-now">
        {viewsText(value)}
      </strong>
      <span>
        {isRunning
          ? stepMinutes === 1
            ? 'this minute so far'
            : `a minute since ${stepTime(series, running.time)}`
          : stepTime(series, times[at]!)}
      </span>
    </p>
  );
}

function ViewsTable({ series }: { series: Series }) {
  const rows = series.times.map((time, i) => ({ time, views: series.perMinute[i]! })).reverse();
  return (
    <DataTable
      caption="Page views a minute, newest first"
      rows={rows}
      keyOf={(row) => String(row.time)}
      columns={[
        { head: 'From', cell: (row) => stepTime(series, row.time) },
        { head: 'Views a minute', cell: (row) => viewsText(row.views), figure: true },
      ]}
    />
  );
}

/** Whole while steps are minutes, else an average. */
const viewsText = (views: number): string => (Number.isInteger(views) ? count(views) : rate(views));

/** When a step begins: its hour, its day where several are shown, the day alone where steps are days. */
function stepTime({ times, stepMinutes }: Series, seconds: number): string {
  const at = new Date(seconds * 1000);
  return stepMinutes >= 1440 ? dayOf(at) : minuteTime(at, times.length * stepMinutes > 1440);
}
