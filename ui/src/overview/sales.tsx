import { NativeSelect, SegmentedControl } from '@mantine/core';
import type { EChartsCoreOption } from 'echarts/core';
import { useMemo, useState } from 'react';
import { Card } from '../components/card.tsx';
import { Empty } from '../components/empty.tsx';
import { useChartColors } from '../charts/colors.ts';
import { EChart } from '../charts/echart.tsx';
import { DataTable } from '../components/data_table.tsx';
import { categoryPath, count, money } from '../lib/format.ts';
import { type CategorySales, type Snapshot, windowWords } from './types.ts';

const barsMax = 9;
const nameOf = (row: CategorySales): string =>
  row.category && row.category !== '(none)' ? categoryPath(row.category) : 'No category';
const inCurrency = (row: CategorySales): string => row.currency ?? '';

/** Currencies with the most orders first. */
export function currenciesOf(rows: CategorySales[]): string[] {
  const orders = new Map<string, number>();
  for (const row of rows) orders.set(inCurrency(row), (orders.get(inCurrency(row)) ?? 0) + row.orders);
  return [...orders].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([currency]) => currency);
}

/** What was sold, category by category, in one currency at a time: currencies are never added. */
export function Sales({ snapshot }: { snapshot: Snapshot }) {
  const { sales_by_category: rows, window } = snapshot;
  const [chosen, setChosen] = useState<string>();
  const currencies = useMemo(() => currenciesOf(rows), [rows]);
  const currency = chosen !== undefined && currencies.includes(chosen) ? chosen : (currencies[0] ?? '');
  const shown = useMemo(
    () => rows.filter((row) => inCurrency(row) === currency).sort((a, b) => Number(b.revenue) - Number(a.revenue)),
    [rows, currency],
  );
  const note =
    currencies.length > 1
      ? `In ${windowWords(window)}, one currency at a time`
      : `In ${windowWords(window)}${currency && `, in ${currency}`}`;

  return (
    <Card
      title="Sales by category"
      note={note}
      actions={currencies.length > 1 && <CurrencyChoice all={currencies} value={currency} onChange={setChosen} />}
      table={shown.length > 0 && <SalesTable rows={shown} />}
    >
      {shown.length === 0 ? (
        <Empty>Nothing was sold in {windowWords(window)}.</Empty>
      ) : (
        <SalesBars rows={shown.slice(0, barsMax)} currency={currency} />
      )}
    </Card>
  );
}

function CurrencyChoice({
  all,
  value,
  onChange,
}: {
  all: string[];
  value: string;
  onChange: (currency: string) => void;
}) {
  const data = all.map((currency) => ({ value: currency, label: currency || 'none' }));
  if (all.length <= 3)
    return <SegmentedControl size="sm" aria-label="Currency" data={data} value={value} onChange={onChange} />;
  return (
    <NativeSelect
      size="sm"
      aria-label="Currency"
      data={data}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}

function SalesBars({ rows, currency }: { rows: CategorySales[]; currency: string }) {
  const colors = useChartColors();
  const wholeOnly = Number(rows[0]?.revenue) >= 1_000;
  const option = useMemo<EChartsCoreOption>(() => {
    const text = { color: colors.ink, fontFamily: 'Instrument Sans Variable, sans-serif', fontSize: 13 };
    return {
      animationDuration: 300,
      grid: { left: 0, right: 84, top: 0, bottom: 0, outerBoundsMode: 'same', outerBoundsContain: 'axisLabel' },
      tooltip: { show: false },
      xAxis: { type: 'value', show: false, min: (range: { min: number }) => Math.min(0, range.min) },
      yAxis: {
        type: 'category',
        inverse: true,
        data: rows.map(nameOf),
        axisLine: { show: false },
        axisTick: { show: false },
        axisLabel: { ...text, width: 132, overflow: 'truncate', margin: 12, align: 'right' },
      },
      series: [
        {
          type: 'bar',
          data: rows.map((row) => Number(row.revenue)),
          barWidth: 18,
          itemStyle: { color: colors.water, borderRadius: [0, 5, 5, 0] },
          emphasis: { disabled: true },
          label: {
            ...text,
            show: true,
            position: 'right',
            formatter: (p: { dataIndex: number }) => money(rows[p.dataIndex]!.revenue, currency, wholeOnly),
          },
        },
      ],
    };
  }, [rows, currency, colors, wholeOnly]);
  return <EChart option={option} height={Math.max(3, rows.length) * 36} />;
}

function SalesTable({ rows }: { rows: CategorySales[] }) {
  return (
    <DataTable
      caption="Sales of each category"
      rows={rows}
      keyOf={(row) => `${row.category} ${row.currency}`}
      columns={[
        { head: 'Category', cell: nameOf },
        { head: 'Orders', cell: (row) => count(row.orders), figure: true },
        { head: 'Pieces', cell: (row) => count(Number(row.quantity)), figure: true },
        { head: 'Revenue', cell: (row) => money(row.revenue, inCurrency(row)), figure: true },
      ]}
    />
  );
}
