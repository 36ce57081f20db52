import { useState } from 'react';
import { Intervals, type IntervalRow } from '../charts/intervals.tsx';
import { Card } from '../components/card.tsx';
import { DataTable } from '../components/data_table.tsx';
import { counted, measure, percent } from '../lib/format.ts';
import { type Contender, contendersOf, interval, metrics, sentenceOf } from './judge.ts';
import { MetricChoice } from './metric_choice.tsx';
import type { Evaluation, Estimate, Judged, Metric, Reached } from './types.ts';
import styles from './models.module.css';

/** How a version was judged: beside others, for whom, and what its lists are like. */
export function Evaluated({ evaluation, name }: { evaluation: Evaluation; name: string }) {
  const [metric, setMetric] = useState<Metric>('ndcg');
  const contenders = contendersOf(evaluation, name);
  const own = contenders.find(({ role }) => role === 'own');
  const baseline = contenders.find(({ role }) => role === 'baseline');
  const asked = contenders[0]?.judged.all.people ?? 0;
  return (
    <>
      <Card
        title="How well it foresees"
        note={`${sentenceOf(evaluation.protocol)} ${counted(asked, 'person was', 'people were')} asked about, with lists of ${evaluation.n}${evaluation.repeats ? '' : ' things they had not met'}.`}
        table={<AllFigures contenders={contenders} />}
      >
        <MetricChoice value={metric} onChange={setMetric} />
        <Intervals label="Beside others" rows={contenders.map((one) => besideOthers(one, metric))} />
      </Card>
      {own && baseline && (
        <div className={styles.pair}>
          <Card title="For whom" note={`${metricLabel(metric)} beside the popularity of late.`}>
            {groups.map((group) => (
              <Group key={group.key} group={group} own={own.judged} baseline={baseline.judged} metric={metric} />
            ))}
          </Card>
          <Card title="What the lists are like" note="Beside those of the popularity of late.">
            <Lists own={own.judged} baseline={baseline.judged} />
          </Card>
        </div>
      )}
    </>
  );
}

const metricLabel = (metric: Metric): string => metrics.find(({ name }) => name === metric)!.label;

const wordsOf = (estimate: Estimate): string => `${measure(estimate.mean)} (${interval(estimate)})`;

function besideOthers({ key, label, judged, role }: Contender, metric: Metric): IntervalRow {
  const reached = judged.all[metric];
  return { key, label, ...reached, words: wordsOf(reached), role };
}

function AllFigures({ contenders }: { contenders: Contender[] }) {
  return (
    <DataTable
      caption="Every measure, of everyone"
      columns={[
        { head: 'Model', cell: ({ label }: Contender) => label },
        ...metrics.map(({ name, label }) => ({
          head: label,
          cell: ({ judged }: Contender) => measure(judged.all[name].mean),
          figure: true,
        })),
      ]}
      rows={contenders}
      keyOf={({ key }) => key}
    />
  );
}

type GroupKey = 'warm' | 'cold' | 'new_items';

const groups: { key: GroupKey; label: string; none: string }[] = [
  { key: 'warm', label: 'People with a history', none: 'Nobody who was asked about had one.' },
  { key: 'cold', label: 'People without', none: 'Everyone who was asked about had one.' },
  { key: 'new_items', label: 'Items nobody had met', none: 'Nobody went for one.' },
];

interface GroupProps {
  group: (typeof groups)[number];
  own: Judged;
  baseline: Judged;
  metric: Metric;
}

/** Two lines for some of the people, the version's and the baseline's. */
function Group({ group: { key, label, none }, own, baseline, metric }: GroupProps) {
  const reached: Reached = own[key];
  const row = (judged: Judged, name: string, role: IntervalRow['role']): IntervalRow => ({
    key: role,
    label: name,
    ...judged[key][metric],
    words: wordsOf(judged[key][metric]),
    role,
  });
  return (
    <section className={styles.group} aria-label={label}>
      <h3>
        {label} <small>{counted(reached.people, 'person', 'people')}</small>
      </h3>
      {reached.people === 0 ? (
        <p className={styles.quiet}>{none}</p>
      ) : (
        <Intervals
          label={label}
          rows={[row(own, 'This version', 'own'), row(baseline, 'Popularity', 'baseline')]}
          fromZero
        />
      )}
    </section>
  );
}

interface ListTrait {
  name: string;
  means: string;
  of: (judged: Judged) => string;
}

const traits: ListTrait[] = [
  { name: 'Coverage', means: 'share of the catalogue in anyone’s list', of: ({ coverage }) => percent(coverage) },
  {
    name: 'Novelty',
    means: 'bits: the more, the fewer people had met what is shown',
    of: ({ novelty }) => novelty.toFixed(2),
  },
  {
    name: 'Popular share',
    means: 'share of the lists that is of the most popular tenth',
    of: (judged) => percent(judged.popularity_bias),
  },
];

function Lists({ own, baseline }: { own: Judged; baseline: Judged }) {
  return (
    <DataTable
      caption="What the lists are like"
      columns={[
        {
          head: 'Trait',
          cell: ({ name, means }: ListTrait) => (
            <span className={styles.trait}>
              {name}
              <small>{means}</small>
            </span>
          ),
        },
        { head: 'This version', cell: (trait) => trait.of(own), figure: true },
        { head: 'Popularity', cell: (trait) => trait.of(baseline), figure: true },
      ]}
      rows={traits}
      keyOf={({ name }) => name}
    />
  );
}
