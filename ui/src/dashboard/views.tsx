import { lazy, Suspense, useMemo, useState } from 'react';
import { DataTable } from '../components/data_table.tsx';
import { Nothing, Panel } from '../components/panel.tsx';
import { count, counted, minuteTime, rate } from '../lib/format.ts';
import { endOf, layOut, type Series } from './series.ts';
import type { Snapshot } from './types.ts';
import styles from './dashboard.module.css';

const TimeSeries = lazy(() => import('../charts/time_series.tsx'));
const chartHeight = 232;

/** Page views a minute: the running minute as a number, the minutes before as a line. */
export function PageViews({ snapshot }: { snapshot: Snapshot }) {
  const { page_views_per_minute: minutes, page_views_step_s: step } = snapshot;
  const { end, live } = endOf(snapshot.as_of, snapshot.time);
  const series = useMemo(() => layOut(minutes, end, step), [minutes, end, step]);
  // Only single minutes can be compared with the one that is running.
  const running = useMemo(
    () => (live && series.stepMinutes === 1 ? { time: series.runningTime, value: series.running } : undefined),
    [series, live],
  );
  const [point, setPoint] = useState<number>();
  const table = series.times.length > 0 ? <ViewsTable series={series} /> : undefined;

  return (
    <Panel
      title="Page views a minute"
      note={<Note series={series} upTo={live ? undefined : snapshot.as_of} />}
      actions={<Readout series={series} point={point ?? (live ? undefined : series.times.length - 1)} />}
      table={table}
    >
      {series.times.length === 0 && series.running === 0 ? (
        <Nothing>No page was viewed in this time.</Nothing>
      ) : (
        <Suspense fallback={<div style={{ height: chartHeight }} />}>
          <TimeSeries
            times={series.times}
            values={series.views}
            running={running}
            height={chartHeight}
            onPoint={setPoint}
          />
        </Suspense>
      )}
    </Panel>
  );
}

function Note({ series, upTo }: { series: Series; upTo: string | undefined }) {
  const total = series.views.reduce((sum, v) => sum + v * series.stepMinutes, series.running);
  const minutes = series.times.length * series.stepMinutes;
  const averaged = series.stepMinutes > 1 ? `, averaged over ${stepWords(series.stepMinutes)}` : '';
  const end = upTo ? ` up to ${minuteTime(new Date(upTo), true)}` : '';
  return <>{`${counted(Math.round(total), 'view')} in ${spanWords(minutes)}${end}${averaged}`}</>;
}

/** The point under the pointer, else the minute that is running. */
function Readout({ series, point }: { series: Series; point: number | undefined }) {
  const time = point === undefined ? undefined : series.times[point];
  const shown = time === undefined ? series.running : series.views[point!]!;
  const label =
    time === undefined
      ? 'this minute so far'
      : minuteTime(new Date(time * 1000), series.times.length * series.stepMinutes > 1440);
  return (
    <p className={styles.readout}>
      <strong className="figures" data-testid="views-now">
        {time === undefined ? count(shown) : viewsText(shown)}
      </strong>
      <span>{label}</span>
    </p>
  );
}

function ViewsTable({ series }: { series: Series }) {
  const rows = series.times.map((time, i) => ({ time, views: series.views[i]! })).reverse();
  return (
    <DataTable
      caption="Page views a minute, newest first"
      rows={rows}
      keyOf={(row) => String(row.time)}
      columns={[
        { head: 'Time', cell: (row) => minuteTime(new Date(row.time * 1000), true) },
        { head: 'Views a minute', cell: (row) => viewsText(row.views), figure: true },
      ]}
    />
  );
}

/** Whole while steps are minutes, else an average. */
const viewsText = (views: number): string => (Number.isInteger(views) ? count(views) : rate(views));

const stepWords = (minutes: number): string =>
  minutes < 60 ? `${minutes} minutes` : minutes < 1440 ? counted(minutes / 60, 'hour') : counted(minutes / 1440, 'day');

function spanWords(minutes: number): string {
  if (minutes <= 90) return counted(Math.max(1, minutes), 'minute');
  return minutes <= 2880 ? counted(Math.round(minutes / 60), 'hour') : counted(Math.round(minutes / 1440), 'day');
}
