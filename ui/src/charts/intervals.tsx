import { type Scale, scaleOf, tickWords } from './scale.ts';
import styles from './intervals.module.css';

export interface IntervalRow {
  key: string;
  label: string;
  /** A quiet second line. */
  note?: string;
  mean: number;
  low: number;
  high: number;
  /** The figures in words; what a screen reader hears in place of the drawing. */
  words: string;
  role: 'own' | 'baseline' | 'other';
}

interface IntervalsProps {
  label: string;
  rows: IntervalRow[];
  /** Begin the axis at 0 rather than near the least value. */
  fromZero?: boolean;
}

/** Means as dots with their intervals on one axis, a name before each and the figures behind. */
export function Intervals({ label, rows, fromZero = false }: IntervalsProps) {
  const scale = scaleOf([...rows.flatMap(({ low, high }) => [low, high]), ...(fromZero ? [0] : [])]);
  const baseline = rows.find(({ role }) => role === 'baseline');
  return (
    <div className={styles.chart}>
      <ul className={styles.rows} aria-label={label}>
        {rows.map((row) => (
          <li key={row.key} className={styles.row} data-role={row.role}>
            <span className={styles.label}>
              {row.label}
              {row.note && <small>{row.note}</small>}
            </span>
            <IntervalMark row={row} scale={scale} mark={baseline?.mean} />
            <span className={styles.words}>{row.words}</span>
          </li>
        ))}
      </ul>
      <Axis scale={scale} />
    </div>
  );
}

const share = (part: number): string => `${(part * 100).toFixed(2)}%`;

interface IntervalMarkProps {
  row: Pick<IntervalRow, 'mean' | 'low' | 'high' | 'role'>;
  scale: Scale;
  /** Where a line stands through all rows. */
  mark: number | undefined;
}

export function IntervalMark({ row, scale, mark }: IntervalMarkProps) {
  return (
    <span className={styles.track} data-role={row.role} aria-hidden="true">
      {mark !== undefined && <span className={styles.mark} style={{ left: share(scale.at(mark)) }} />}
      <span
        className={styles.line}
        style={{ left: share(scale.at(row.low)), width: share(scale.at(row.high) - scale.at(row.low)) }}
      />
      <span className={styles.dot} style={{ left: share(scale.at(row.mean)) }} />
    </span>
  );
}

function Axis({ scale }: { scale: Scale }) {
  const words = tickWords(scale);
  return (
    <div className={styles.axis} aria-hidden="true">
      <span className={styles.ticks}>
        {scale.ticks.map((tick, i) => (
          <span key={tick} style={{ left: share(scale.at(tick)) }}>
            {words[i]}
          </span>
        ))}
      </span>
    </div>
  );
}
