import { describe, expect, it } from 'vitest';
import { isLive, layOut, stepWords } from './series.ts';

const at = (minute: number, second = 0) => new Date(Date.UTC(2026, 0, 5, 10, minute, second)).toISOString();

describe('isLive', () => {
  it('is so while the newest event is less than an hour old', () => {
    expect(isLive(at(4), at(20))).toBe(true);
    expect(isLive('2011-12-09T12:50:00Z', at(0))).toBe(false);
  });
});

describe('layOut', () => {
  const minutes = [4, 0, 0, 2, 9].map((views, i) => ({ minute: at(i), views }));

  it('keeps the running minute apart', () => {
    const series = layOut(minutes, 60, at(4, 31), true);
    expect(series.perMinute).toEqual([4, 0, 0, 2]);
    expect(series.running).toEqual({ time: Date.parse(at(4)) / 1000, views: 9, perMinute: 9 });
    expect(series.times[3]! - series.times[0]!).toBe(180);
  });

  it('runs on to now when nothing came lately', () => {
    const series = layOut(minutes, 60, at(6, 10), true);
    expect(series.perMinute).toEqual([4, 0, 0, 2, 9, 0]);
    expect(series.running).toMatchObject({ time: Date.parse(at(6)) / 1000, views: 0 });
  });

  it('draws all of old data, the last step too', () => {
    const series = layOut(minutes, 60, at(4, 31), false);
    expect(series.perMinute).toEqual([4, 0, 0, 2, 9]);
    expect(series.running).toBeUndefined();
  });

  it('divides what the server has summed over longer steps, and the running one by what has passed of it', () => {
    const steps = [50, 50, 20].map((views, i) => ({ minute: at(i * 10), views }));
    const series = layOut(steps, 600, at(24), true);
    expect(series.perMinute).toEqual([5, 5]);
    expect(series.running).toMatchObject({ views: 20, perMinute: 5 });
    expect(series.stepMinutes).toBe(10);
  });

  it('does not multiply what came in the first seconds of a step', () => {
    const steps = [{ minute: at(0), views: 7 }];
    expect(layOut(steps, 600, at(0, 2), true).running!.perMinute).toBe(7);
  });

  it('is empty when nothing came', () => {
    expect(layOut([], 60, at(0), true).times).toEqual([]);
  });
});

it('names steps in words', () => {
  expect([1, 10, 60, 240, 1440, 10_080].map(stepWords)).toEqual([
    'minute',
    '10 minutes',
    'hour',
    '4 hours',
    'day',
    '7 days',
  ]);
});
