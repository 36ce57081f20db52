import { Card } from '../components/card.tsx';
import { count, rate } from '../lib/format.ts';
import type { Graph, JobNode } from './graph.ts';
import { short } from './health.ts';
import styles from './jobs.module.css';

/** Each job in figures: how far it is behind, how long its steps take, what it dropped and set aside. */
export function Jobs({ graph }: { graph: Graph }) {
  const withLate = graph.jobs.some((job) => lateOf(job) !== undefined);
  const withWatermark = graph.jobs.some((job) => watermarkOf(job) !== undefined);
  return (
    <Card title="Jobs" note="Each follows the log at its own pace, and goes on where it stopped.">
      <ul className={styles.jobs}>
        {graph.jobs.map((job) => (
          <Job key={job.figures.name} job={job} withLate={withLate} withWatermark={withWatermark} />
        ))}
      </ul>
    </Card>
  );
}

const seconds = (value: number | undefined) => (value === undefined ? '–' : short(value));
const number = (value: number | undefined) => (value === undefined ? '–' : count(value));

/** Events that came after their window, where a job counts by windows. */
const lateOf = ({ figures }: JobNode): number | undefined => figures.late ?? figures.window_too_late;

const watermarkOf = ({ figures }: JobNode): number | undefined => figures.window_watermark_delay_seconds;

/** A figure that one job has stands in the row of each, so that columns stay columns. */
function Job({ job, withLate, withWatermark }: { job: JobNode; withLate: boolean; withWatermark: boolean }) {
  const { figures, health } = job;
  const stepped = (figures.step_seconds_count ?? 0) > 0;
  return (
    <li className={styles.job} data-testid={`job-${figures.name}`}>
      <div className={styles.name} data-state={health.state}>
        <strong>{figures.name}</strong>
        <small>{health.words}</small>
      </div>
      <dl className={styles.figures}>
        <Figure name="A second" value={rate(job.rate)} />
        <Figure name="Behind" value={number(figures.lag_records)} hint="records of the log" />
        <Figure name="Behind by" value={seconds(figures.lag_seconds)} hint="age of the oldest of them" />
        <Figure name="Checkpoint" value={seconds(figures.checkpoint_age_seconds)} hint="since the last one" />
        <Figure name="Step p50" value={stepped ? seconds(figures.step_seconds_p50) : '–'} />
        <Figure name="Step p99" value={stepped ? seconds(figures.step_seconds_p99) : '–'} />
        <Figure name="Duplicates" value={number(figures.duplicates)} hint="dropped: had come before" />
        {withLate && <Figure name="Late" value={number(lateOf(job))} hint="counted all the same" />}
        {withWatermark && (
          <Figure
            name="Watermark"
            value={seconds(watermarkOf(job))}
            hint="behind the clock: windows close so much after their end"
          />
        )}
        <Figure name="Set aside" value={number(figures.quarantined)} alarm={(figures.quarantined ?? 0) > 0} />
        <Figure
          name="Errors"
          value={number(figures.errors)}
          alarm={(figures.errors ?? 0) > 0}
          hint="steps tried again"
        />
      </dl>
    </li>
  );
}

function Figure({ name, value, hint, alarm = false }: { name: string; value: string; hint?: string; alarm?: boolean }) {
  return (
    <div
      title={hint}
      data-none={value === '0' || value === '0 s' || value === '–' || undefined}
      data-alarm={alarm || undefined}
    >
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
