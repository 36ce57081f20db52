import { useRef } from 'react';
import { PlotFrame, type Room } from './plot_frame.tsx';
import { scaleOf } from './scale.ts';
import { useWidth } from './use_width.ts';
import styles from './interval_series.module.css';

export interface IntervalPoint {
  name: string;
  mean: number;
  low: number;
  high: number;
  /** What it is held against. */
  baseline?: number;
  /** Drawn full, with its name in bold. */
  marked: boolean;
  /** What the pointer is told. */
  words: string;
}

interface IntervalSeriesProps {
  points: IntervalPoint[];
  height: number;
}

const room: Room = { left: 52, right: 14, top: 12, bottom: 30 };
const nameWidth = 34;
const stepMax = 160;

/** Means with their intervals, in order, the older at the left; a dashed line joins what each is held against. */
export function IntervalSeries({ points, height }: IntervalSeriesProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const y = scaleOf(points.flatMap(({ low, high, baseline }) => [low, high, baseline ?? low]));
  const step = Math.min(stepMax, (width - room.left - room.right) / Math.max(1, points.length));
  const x = (i: number) => room.left + step * (i + 0.5);
  const down = (value: number) => room.top + (height - room.top - room.bottom) * (1 - y.at(value));
  const every = Math.max(1, Math.ceil(nameWidth / Math.max(step, 1)));
  const names = points
    .map(({ name, marked }, i) => ({ at: x(i), name, strong: marked, i }))
    .filter(({ strong, i }) => strong || (points.length - 1 - i) % every === 0);
  return (
    <PlotFrame box={box} width={width} height={height} room={room} y={y} names={names}>
      <Baseline points={points} x={x} down={down} half={step / 2} />
      {points.map(({ name, mean, low, high, marked, words }, i) => (
        <g key={name} className={marked ? styles.marked : styles.point}>
          <title>{words}</title>
          <line x1={x(i)} x2={x(i)} y1={down(low)} y2={down(high)} />
          <circle cx={x(i)} cy={down(mean)} r={marked ? 6 : 4.5} />
          <rect className={styles.hit} x={x(i) - step / 2} width={step} y={room.top} height={height - room.top} />
        </g>
      ))}
    </PlotFrame>
  );
}

interface BaselineProps {
  points: IntervalPoint[];
  x: (i: number) => number;
  down: (value: number) => number;
  half: number;
}

/** A level piece for each point, so that one alone shows too, joined where two follow one another. */
function Baseline({ points, x, down, half }: BaselineProps) {
  const line = points
    .map(({ baseline }, i) => {
      if (baseline === undefined) return '';
      const joined = i > 0 && points[i - 1]!.baseline !== undefined;
      return `${joined ? 'L' : 'M'}${x(i) - half} ${down(baseline)}H${x(i) + half}`;
    })
    .join('');
  return <path className={styles.baseline} d={line} />;
}
