import type { MinuteViews } from './types.ts';

/** Page views a minute, ready to be drawn: a value for each step. */
export interface Series {
  /** Seconds since 1970 at which each step begins. */
  times: number[];
  /** Views a minute over each whole step. */
  perMinute: number[];
  stepMinutes: number;
  /** The step that is not over yet, kept apart: it would look like a fall. Absent when the data is old. */
  running?: { time: number; views: number; perMinute: number };
}

const liveMs = 3_600_000;

/** Data is live while its newest event is less than an hour old; a file of last year is not. */
export const isLive = (asOf: string, now: string): boolean => Date.parse(now) - Date.parse(asOf) < liveMs;

/**
 * Make a line of the server's steps, which are `stepS` seconds long, without gaps, and end with the newest
 * event's. Live data runs on to `now`, even while nothing comes; of old data the last step is over.
 */
export function layOut(steps: MinuteViews[], stepS: number, now: string, live: boolean): Series {
  const stepMinutes = stepS / 60;
  const times = steps.map((step) => Date.parse(step.minute) / 1000);
  const views = steps.map((step) => step.views);
  if (!live || times.length === 0) return { times, perMinute: views.map((v) => v / stepMinutes), stepMinutes };

  const nowS = Date.parse(now) / 1000;
  while (times.at(-1)! + stepS <= nowS) {
    times.push(times.at(-1)! + stepS);
    views.push(0);
  }
  const time = times.pop()!;
  const running = views.pop()!;
  const passedMinutes = Math.min(Math.max((nowS - time) / 60, 1), stepMinutes);
  return {
    times,
    perMinute: views.map((v) => v / stepMinutes),
    stepMinutes,
    running: { time, views: running, perMinute: running / passedMinutes },
  };
}

const plural = (n: number, one: string): string => (n === 1 ? one : `${n} ${one}s`);

/** 1 → "minute", 10 → "10 minutes", 60 → "hour", 10080 → "7 days". */
export const stepWords = (minutes: number): string =>
  minutes < 60
    ? plural(minutes, 'minute')
    : minutes < 1440
      ? plural(minutes / 60, 'hour')
      : plural(minutes / 1440, 'day');
