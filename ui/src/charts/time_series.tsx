import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { compact, minuteTime } from '../lib/format.ts';
import { type ChartColors, useChartColors } from './colors.ts';
import { useWidth } from './use_width.ts';

interface TimeSeriesProps {
  /** Seconds since 1970, and a value for each. */
  times: number[];
  values: number[];
  height: number;
  /** Tells which point the pointer is at; undefined when it leaves. */
  onPoint: (index: number | undefined) => void;
}

/** A filled line over time. Decoration for screen readers: give them a table beside it. */
export default function TimeSeries({ times, values, height, onPoint }: TimeSeriesProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const colors = useChartColors();
  const plot = useRef<uPlot>(undefined);
  const newest = useRef({ times, values, onPoint });
  newest.current = { times, values, onPoint };

  useEffect(() => {
    if (!box.current || width === 0) return;
    const options = optionsFor(colors, width, height, (index) => newest.current.onPoint(index));
    const made = new uPlot(options, [newest.current.times, newest.current.values], box.current);
    plot.current = made;
    return () => made.destroy();
  }, [box, width, height, colors]);

  useEffect(() => plot.current?.setData([times, values]), [times, values]);

  return <div ref={box} style={{ height, minWidth: 0 }} aria-hidden="true" />;
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
        points: { show: (u) => u.data[0].length < 2 },
      },
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
