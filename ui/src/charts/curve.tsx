import { useRef } from 'react';
import { PlotFrame, type Room } from './plot_frame.tsx';
import { scaleOf } from './scale.ts';
import { useWidth } from './use_width.ts';
import styles from './curve.module.css';

interface CurveProps {
  points: { x: number; y: number }[];
  height: number;
}

const room: Room = { left: 60, right: 18, top: 12, bottom: 30 };
const nameWidth = 64;

/** A line through points whose places are whole numbers, such as rounds. */
export function Curve({ points, height }: CurveProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const y = scaleOf(points.map((point) => point.y));
  const first = points[0]?.x ?? 0;
  const last = points.at(-1)?.x ?? 1;
  const inner = width - room.left - room.right;
  const across = (value: number) => room.left + (inner * (value - first)) / Math.max(1, last - first);
  const down = (value: number) => room.top + (height - room.top - room.bottom) * (1 - y.at(value));
  const ticks = scaleOf([first, last], Math.max(1, Math.floor(inner / nameWidth))).ticks;
  const names = ticks
    .filter((tick) => Number.isInteger(tick) && tick >= first && tick <= last)
    .map((tick) => ({ at: across(tick), name: String(tick) }));
  const line = points.map((point) => `${across(point.x).toFixed(1)},${down(point.y).toFixed(1)}`).join(' ');
  return (
    <PlotFrame box={box} width={width} height={height} room={room} y={y} names={names}>
      <polyline className={styles.line} points={line} />
      {points.length <= 40 &&
        points.map((point) => (
          <circle key={point.x} className={styles.dot} cx={across(point.x)} cy={down(point.y)} r="3" />
        ))}
    </PlotFrame>
  );
}
