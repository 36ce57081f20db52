import { useEffect, useMemo, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { compact, minuteTime } from '../lib/format.ts';
import { type ChartColors, useChartColors } from './colors.ts';
import { useWidth } from './use_width.ts';

interface TimeSeriesProps {
  /** Seconds since 1970, and a value for each. */
  times: number[];
  values: number[];
  /** What is not over yet: drawn dotted after the last value. */
  running?: { time: number; value: number };
  height: number;
  /** Tells which point the pointer is at; undefined when it leaves. */
  onPoint: (index: number | undefined) => void;
}

/** A filled line over time. Decoration for screen readers: give them a table beside it. */
export default function TimeSeries({ times, values, running, height, onPoint }: TimeSeriesProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const colors = useChartColors();
  const plot = useRef<uPlot>(undefined);
  const data = useMemo(() => dataOf(times, values, running), [times, values, running]);
  const newest = useRef({ data, onPoint });
  newest.current = { data, onPoint };

  useEffect(() => {
    if (!box.current || width === 0) return;
    const options = optionsFor(colors, width, height, (index) => newest.current.onPoint(index));
    const made = new uPlot(options, newest.current.data, box.current);
    plot.current = made;
    return () => made.destroy();
  }, [box, width, height, colors]);

  useEffect(() => plot.current?.setData(data), [data]);

  return <div ref={box} style={{ height, minWidth: 0 }} aria-hidden="true" />;
}

/** Two lines over the same times: what is over, and the step from its last value to what is running. */
function dataOf(times: number[], values: number[], running: TimeSeriesProps['running']): uPlot.AlignedData {
  if (!running) return [times, values, values.map(() => null)];
  const last = values.length - 1;
  const open = values.map((value, i) => (i === last ? value : null));
  return [
    [...times, running.time],
    [...values, null],
    [...open, running.value],
  ];
}

function optionsFor(
  colors: ChartColors,
  width: number,
  height: number,
  onPoint: TimeSeriesProps['onPoint'],
): uPlot.Options {
  const font = '12px "Instrument Sans Variable", system-ui, sans-serif';
  const axis = { stroke: colors.quiet, font, ticks: { show: false } };
  return {
    width,
    height,
    legend: { show: false },
    padding: [8, 18, 0, 0],
    cursor: {
      y: false,
      points: { size: 9, fill: colors.card, stroke: colors.water, width: 2 },
      drag: { x: false, y: false },
    },
    scales: { x: { time: true }, y: { range: (_, _low, high) => [0, niceTop(high)] } },
    axes: [
      {
        ...axis,
        grid: { show: false },
        size: 30,
        gap: 8,
        space: 72,
        values: (_, ticks, __, ___, step) => ticks.map((t) => tick(t, step)),
      },
      {
        ...axis,
        size: 46,
        gap: 6,
        grid: { stroke: colors.line, width: 1 },
        space: 44,
        values: (_, ticks) => ticks.map((v) => (Number.isInteger(v) ? compact(v) : '')),
      },
    ],
    series: [
      {},
      {
        stroke: colors.water,
        width: 2,
        fill: (u) => waterFill(u, colors),
        paths: uPlot.paths.spline!(),
        points: { show: false },
      },
      { stroke: colors.water, width: 2, dash: [2, 5], points: { show: false } },
    ],
    hooks: { setCursor: [(u) => onPoint(u.cursor.idx ?? undefined)] },
  };
}

const niceTop = (high: number): number => Math.max(4, high * 1.12);

/** An hour of the day, or a day where the ticks are days apart. */
function tick(seconds: number, stepSeconds: number): string {
  const at = new Date(seconds * 1000);
  return stepSeconds >= 86_400
    ? at.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
    : minuteTime(at, false);
}

function waterFill(u: uPlot, colors: ChartColors): CanvasGradient | string {
  if (!Number.isFinite(u.bbox.top) || u.bbox.height <= 0) return colors.foam;
  const fill = u.ctx.createLinearGradient(0, u.bbox.top, 0, u.bbox.top + u.bbox.height);
  fill.addColorStop(0, `${colors.water}55`);
  fill.addColorStop(1, `${colors.water}08`);
  return fill;
}
