import type { EChartsCoreOption } from 'echarts/core';
import { useMemo } from 'react';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { type ChartColors, useChartColors } from '../charts/colors.ts';
import { EChart } from '../charts/echart.tsx';
import { percent, shortCount } from '../lib/format.ts';
import { type Snapshot, windowWords } from './types.ts';
import styles from './devices.module.css';

type Devices = Snapshot['visits_by_device'];
const nameOf = (device: string | null): string => (device ? device[0]!.toUpperCase() + device.slice(1) : 'Not known');

/** What people hold in their hands: a ring, and the same as a list that says all of it in words. */
export function DeviceVisits({ snapshot }: { snapshot: Snapshot }) {
  const { visits_by_device: devices, window } = snapshot;
  const colors = useChartColors();
  const total = devices.reduce((sum, d) => sum + d.visits, 0);
  return (
    <Card title="Visits by device" note={`In ${windowWords(window)}`}>
      {total === 0 ? (
        <Empty>No visit in {windowWords(window)}.</Empty>
      ) : (
        <div className={styles.both}>
          <Ring devices={devices} total={total} colors={colors} />
          <dl className={styles.legend}>
            {devices.map((d, i) => (
              <div key={d.device}>
                <dt>
                  <span
                    className={styles.dot}
                    style={{ background: colors.parts[i % colors.parts.length] }}
                    aria-hidden="true"
                  />
                  {nameOf(d.device)}
                </dt>
                <dd>
                  <strong>{percent(d.visits / total)}</strong>
                  <span>{shortCount(d.visits)}</span>
                </dd>
              </div>
            ))}
          </dl>
        </div>
      )}
    </Card>
  );
}

function Ring({ devices, total, colors }: { devices: Devices; total: number; colors: ChartColors }) {
  const option = useMemo<EChartsCoreOption>(
    () => ({
      animationDuration: 300,
      color: colors.parts,
      tooltip: { show: false },
      series: [
        {
          type: 'pie',
          radius: ['68%', '98%'],
          silent: true,
          label: { show: false },
          itemStyle: { borderColor: colors.card, borderWidth: 3, borderRadius: 5 },
          data: devices.map((d) => ({ name: nameOf(d.device), value: d.visits })),
        },
      ],
    }),
    [devices, colors],
  );
  return (
    <div className={styles.ring}>
      <EChart option={option} height={168} />
      <p className={styles.total}>
        <strong>{shortCount(total)}</strong>
        <span>visits</span>
      </p>
    </div>
  );
}
