import { describe, expect, it } from 'vitest';
import { endOf, layOut } from './series.ts';

const at = (minute: number) => new Date(Date.UTC(2026, 0, 5, 10, minute)).toISOString();

describe('endOf', () => {
  it('is now for live data, also when nothing came for minutes', () => {
    expect(endOf(at(4), at(20))).toEqual({ end: at(20), live: true });
  });

  it('is the end of the newest minute for old data, so that its views are all shown', () => {
    const { end, live } = endOf('2011-12-09T12:50:00Z', at(0));
    expect(live).toBe(false);
    expect(layOut([{ minute: '2011-12-09T12:50:00Z', views: 3 }], end).views).toEqual([3]);
  });
});

describe('layOut', () => {
  it('fills minutes without views with zero and keeps the running minute apart', () => {
    const minutes = [
      { minute: at(0), views: 4 },
      { minute: at(3), views: 2 },
      { minute: at(4), views: 9 },
    ];
    const series = layOut(minutes, '2026-01-05T10:04:31Z');
    expect(series.views).toEqual([4, 0, 0, 2]);
    expect(series.running).toBe(9);
    expect(series.runningTime).toBe(Date.parse(at(4)) / 1000);
    expect(series.stepMinutes).toBe(1);
    expect(series.times[3]! - series.times[0]!).toBe(180);
  });

  it('runs on to as_of when nothing came lately', () => {
    expect(layOut([{ minute: at(0), views: 1 }], at(3)).views).toEqual([1, 0, 0]);
  });

  it('averages over longer steps when there are many minutes, and loses no view', () => {
    const minutes = Array.from({ length: 24 * 60 }, (_, i) => ({ minute: at(i), views: i % 7 }));
    const series = layOut(minutes, at(24 * 60));
    expect(series.times.length).toBeLessThanOrEqual(400);
    const drawn = series.views.reduce((sum, v) => sum + v * series.stepMinutes, 0);
    expect(drawn).toBeCloseTo(
      minutes.reduce((sum, m) => sum + m.views, 0),
      6,
    );
  });

  it('divides what the server has summed over longer steps', () => {
    const minutes = [0, 10, 20].map((m) => ({ minute: at(m), views: 50 }));
    const series = layOut(minutes, at(30), 600);
    expect(series.stepMinutes).toBe(10);
    expect(series.views).toEqual([5, 5, 5]);
  });

  it('bears years of old data', () => {
    const minutes = [
      { minute: '2010-12-01T08:00:00Z', views: 5 },
      { minute: '2026-01-05T10:00:00Z', views: 5 },
    ];
    expect(layOut(minutes, at(1)).times.length).toBeLessThanOrEqual(401);
  });

  it('is empty when nothing came', () => {
    expect(layOut([], at(0)).times).toEqual([]);
  });
});
