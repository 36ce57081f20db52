import { useState } from 'react';
import { type IntervalPoint, IntervalSeries } from '../charts/interval_series.tsx';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { measure } from '../lib/format.ts';
import { interval, metrics } from './judge.ts';
import { MetricChoice } from './metric_choice.tsx';
import type { Metric, Version } from './types.ts';

const shownMax = 60;

/** How good the versions are, the older at the left, each beside the popularity of its own data. */
export function OverVersions({ versions }: { versions: Version[] }) {
  const [metric, setMetric] = useState<Metric>('ndcg');
  const judged = versions.filter((one) => one.metrics?.all[metric]);
  if (judged.length === 0) return null;
  const { label } = metrics.find(({ name }) => name === metric)!;
  const points = judged
    .slice(0, shownMax)
    .reverse()
    .map((version) => pointOf(version, metric, label));
  return (
    <Card
      title="Over the versions"
      note="Bars are the 95 % intervals, the dashed line is recent popularity on the same data. Full: what is served."
      table={
        <DataTable
          caption={`${label} of each version`}
          columns={[
            { head: 'Version', cell: ({ version }: Version) => version },
            { head: label, cell: (one) => measure(one.metrics!.all[metric].mean), figure: true },
            { head: '95 %', cell: (one) => interval(one.metrics!.all[metric]), figure: true },
            {
              head: 'Popularity',
              cell: ({ baseline }) => (baseline ? measure(baseline.all[metric].mean) : '–'),
              figure: true,
            },
          ]}
          rows={judged}
          keyOf={({ version }) => version}
        />
      }
    >
      <MetricChoice value={metric} onChange={setMetric} />
      <IntervalSeries points={points} height={250} />
    </Card>
  );
}

function pointOf({ version, metrics: own, baseline, deployed }: Version, metric: Metric, label: string): IntervalPoint {
  const reached = own!.all[metric];
  const popular = baseline?.all[metric]?.mean;
  const words = [
    `Version ${version}${deployed ? ', served' : ''}: ${label} ${measure(reached.mean)} (${interval(reached)})`,
    popular === undefined ? '' : `popularity ${measure(popular)}`,
  ];
  return { name: version, ...reached, baseline: popular, marked: deployed, words: words.filter(Boolean).join('; ') };
}
