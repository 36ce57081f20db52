import type { FlowSnapshot, JobFigures, Subscription } from './types.ts';

/** How a job or subscription does. `failing` and `stalled` want a person, `behind` an eye. */
export type State = 'ok' | 'behind' | 'stalled' | 'failing';

export interface Health {
  state: State;
  /** A few words for the picture: "in step", "3 s behind". */
  words: string;
}

/** So far behind is a job's normal state: archive and curate are done with records when their file is. */
const slackSeconds: Record<string, number> = { archive: 150, curate: 7500 };
const slackOf = (job: string) => slackSeconds[job] ?? 5;

/** Nothing moved for so long, although there is something to do. */
const stalledSeconds = 15;

/** How `now` compares with the oldest snapshot of about the last half minute. */
export function jobHealth(now: JobFigures, before: JobFigures | undefined, seconds: number): Health {
  const lag = now.lag_seconds ?? 0;
  const behind = (now.lag_records ?? 0) > 0 && lag > slackOf(now.name);
  const moved = (now.records ?? 0) !== (before?.records ?? now.records ?? 0);
  const erred = (now.errors ?? 0) > (before?.errors ?? now.errors ?? 0);
  if (erred && !moved) return { state: 'failing', words: 'failing, trying again' };
  if (behind && !moved && seconds >= stalledSeconds) return { state: 'stalled', words: `stands still, ${short(lag)}` };
  if (behind) return { state: 'behind', words: `${short(lag)} behind` };
  return { state: 'ok', words: 'in step' };
}

export function subscriptionHealth(now: Subscription, before: Subscription | undefined): Health {
  const moved = now.acked > (before?.acked ?? now.acked);
  const died = now.dead > (before?.dead ?? now.dead) || now.lost > (before?.lost ?? now.lost);
  if (died) return { state: 'failing', words: 'gives messages up' };
  if (now.error) return { state: 'failing', words: 'endpoint fails' };
  if (now.backlog === 0) return { state: 'ok', words: 'all delivered' };
  const oldest = now.oldest_s ?? 0;
  if (!moved && oldest > 60) return { state: 'stalled', words: `nobody takes them, ${short(oldest)}` };
  return oldest > 10 ? { state: 'behind', words: `${short(oldest)} behind` } : { state: 'ok', words: 'in step' };
}

/** The worst of several. */
export const worst = (states: State[]): State =>
  (['failing', 'stalled', 'behind'] as const).find((state) => states.includes(state)) ?? 'ok';

/** 0.4 → "400 ms", 75 → "1 min", 7200 → "2 h": one unit, for narrow places. */
export function short(seconds: number): string {
  if (seconds < 0.00005) return '0 s';
  if (seconds < 0.0095) return `${(seconds * 1000).toFixed(1)} ms`;
  if (seconds < 0.995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 5940) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A counter's growth a second between two snapshots; 0 when it began anew. */
export function rateOf(now: number | undefined, before: number | undefined, seconds: number): number {
  if (now === undefined || before === undefined || seconds <= 0) return 0;
  return Math.max(0, now - before) / seconds;
}

/** The snapshot of `back` seconds before the newest, or the oldest kept. */
export function before(kept: FlowSnapshot[], back: number): FlowSnapshot | undefined {
  const newest = kept.at(-1);
  return newest && (kept.findLast((one) => newest.clock_s - one.clock_s >= back) ?? kept[0]);
}
