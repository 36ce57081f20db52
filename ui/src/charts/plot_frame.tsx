import type { ReactNode, RefObject } from 'react';
import { type Scale, tickWords } from './scale.ts';
import styles from './plot_frame.module.css';

/** The room around a plot, in pixels. */
export interface Room {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

interface PlotFrameProps {
  box: RefObject<HTMLDivElement | null>;
  width: number;
  height: number;
  room: Room;
  y: Scale;
  /** Names along the bottom, with their places in pixels. */
  names: { at: number; name: string; strong?: boolean }[];
  children: ReactNode;
}

/** Axes with quiet lines, and a drawing within. Decoration for screen readers: give them a table beside it. */
export function PlotFrame({ box, width, height, room, y, names, children }: PlotFrameProps) {
  const words = tickWords(y);
  const inner = height - room.top - room.bottom;
  return (
    <div ref={box} className={styles.plot} style={{ height }} aria-hidden="true">
      {width > 0 && (
        <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`}>
          {y.ticks.map((tick, i) => {
            const at = room.top + inner * (1 - y.at(tick));
            return (
              <g key={tick}>
                <line className={styles.grid} x1={room.left} x2={width - room.right} y1={at} y2={at} />
                <text className={styles.tick} x={room.left - 8} y={at + 4} textAnchor="end">
                  {words[i]}
                </text>
              </g>
            );
          })}
          {names.map(({ at, name, strong }) => (
            <text
              key={`${name} ${at}`}
              className={strong ? styles.strong : styles.tick}
              x={at}
              y={height - room.bottom + 20}
              textAnchor="middle"
            >
              {name}
            </text>
          ))}
          {children}
        </svg>
      )}
    </div>
  );
}
