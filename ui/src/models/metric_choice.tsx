import { SegmentedControl } from '@mantine/core';
import { metrics } from './judge.ts';
import type { Metric } from './types.ts';
import styles from './models.module.css';

/** Which measure of a list is shown. */
export function MetricChoice({ value, onChange }: { value: Metric; onChange: (metric: Metric) => void }) {
  return (
    <div className={styles.metric}>
      <SegmentedControl
        aria-label="Measure"
        size="sm"
        className={styles.metricChoice}
        data={metrics.map(({ name, label }) => ({ value: name, label }))}
        value={value}
        onChange={(next) => onChange(next as Metric)}
      />
      <p className={styles.quiet}>{metrics.find(({ name }) => name === value)!.means}</p>
    </div>
  );
}
