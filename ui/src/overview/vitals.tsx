import { Wheel } from '../brand/wheel.tsx';
import { Sparkline } from '../charts/sparkline.tsx';
import { Stat, Stats } from '../components/stat.tsx';
import { count, counted, milliseconds, rate } from '../lib/format.ts';
import type { Served, Snapshot } from './types.ts';
import type { Recent } from './use_snapshot.ts';
import styles from './vitals.module.css';

/** The race and its wheel: how much flows now, and how fast answers come. */
export function Vitals({ snapshot, recent, live }: { snapshot: Snapshot; recent: Recent; live: boolean }) {
  const { rates, recommendations } = snapshot;
  return (
    <section className={styles.pool} aria-label="Right now">
      <div className={styles.wheel}>
        <Wheel size={150} perSecond={live ? rates.events_per_s : 0} />
      </div>
      <Stats className={styles.figures}>
        <Stat name="Events a second" value={rate(rates.events_per_s)} testId="events-per-s">
          <Sparkline values={recent.events} />
        </Stat>
        <Stat name="Answers a second" value={rate(rates.recommendations_per_s)}>
          {counted(recommendations.served, 'recommendation')} so far
        </Stat>
        <AnswerTime served={recommendations} />
        <Fallbacks served={recommendations} />
      </Stats>
      <Waves />
    </section>
  );
}

function AnswerTime({ served }: { served: Served }) {
  if (served.served === 0)
    return (
      <Stat name="Answer time" value="–">
        no answer yet
      </Stat>
    );
  return (
    <Stat name="99 of 100 answers within" value={milliseconds(served.p99_ms)} unit="ms">
      half of them within {milliseconds(served.p50_ms)} ms
    </Stat>
  );
}

/** Popular items instead of personal ones: for a newcomer on purpose, else because something was wrong. */
function Fallbacks({ served }: { served: Served }) {
  const { deadline, error, cold } = served.fallbacks;
  const parts = [
    deadline > 0 && `${count(deadline)} too slow`,
    error > 0 && `${count(error)} failed`,
    cold > 0 && counted(cold, 'newcomer'),
  ];
  return (
    <Stat name="Fallback answers" value={count(deadline + error + cold)}>
      {parts.filter(Boolean).join(', ') || 'popular items were never needed'}
    </Stat>
  );
}

/** The water the wheel stands in. */
function Waves() {
  const crest = 'M0 14 C 50 0, 70 0, 120 14 S 190 28, 240 14 S 310 0, 360 14 S 430 28, 480 14';
  const sea = [0, 1, 2, 3].map((i) => <path key={i} d={`${crest} V60 H0 Z`} transform={`translate(${i * 480})`} />);
  return (
    <svg className={styles.waves} aria-hidden="true">
      <g className={styles.far}>{sea}</g>
      <g className={styles.near}>{sea}</g>
    </svg>
  );
}
