import type { MinuteViews } from './types.ts';

/** Page views a minute, ready to be drawn: a value for each step, gaps filled with zero. */
export interface Series {
  /** Seconds since 1970, one for each step. */
  times: number[];
  /** Views a minute over each whole step. */
  views: number[];
  /** The views of the minute that is still running, and its beginning. */
  running: number;
  runningTime: number;
  stepMinutes: number;
}

const liveMs = 3_600_000;

/**
 * The end of the time shown. Live data runs on to now, even while nothing comes; of older data, such as
 * a file of last year, the newest minute is the last one, and it is over.
 */
export function endOf(asOf: string, now: string): { end: string; live: boolean } {
  const newest = Date.parse(asOf);
  if (Date.parse(now) - newest < liveMs) return { end: now, live: true };
  return { end: new Date((Math.floor(newest / 60_000) + 1) * 60_000).toISOString(), live: false };
}

const pointsMax = 400;
const niceSteps = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440];

/**
 * Lay the minutes out evenly up to `asOf`, in steps long enough to make at most 400 points. The
 * running minute is kept apart: it is not over, and would look like a fall.
 */
export function layOut(minutes: MinuteViews[], asOf: string, givenStepS = 60): Series {
  const first = minutes[0];
  if (!first) return { times: [], views: [], running: 0, runningTime: 0, stepMinutes: 1 };
  const givenMinutes = Math.max(1, Math.round(givenStepS / 60));
  const minuteOf = (iso: string) => Math.floor(Date.parse(iso) / 60_000);
  const runningMinute = minuteOf(asOf);
  const stepMinutes = stepFor(runningMinute - minuteOf(first.minute), givenMinutes);
  const start = Math.floor(minuteOf(first.minute) / stepMinutes);
  const steps = Math.max(0, Math.floor(runningMinute / stepMinutes) - start);

  const sums = new Array<number>(steps).fill(0);
  let running = 0;
  for (const { minute, views } of minutes) {
    const at = minuteOf(minute);
    if (at === runningMinute) running += views;
    const step = Math.floor(at / stepMinutes) - start;
    if (step >= 0 && step < steps) sums[step]! += views;
  }
  return {
    times: sums.map((_, i) => (start + i) * stepMinutes * 60),
    views: sums.map((sum) => sum / stepMinutes),
    running,
    runningTime: runningMinute * 60,
    stepMinutes,
  };
}

/** The shortest round step that is a multiple of the given one and keeps the points few. */
function stepFor(spanMinutes: number, givenMinutes: number): number {
  const wanted = Math.max(spanMinutes / pointsMax, givenMinutes);
  const step = niceSteps.find((s) => s >= wanted && s % givenMinutes === 0);
  return step ?? Math.ceil(wanted / (1440 * givenMinutes)) * 1440 * givenMinutes;
}
