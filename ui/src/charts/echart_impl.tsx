import { BarChart, PieChart } from 'echarts/charts';
import { GridComponent, TooltipComponent } from 'echarts/components';
import * as echarts from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';
import type { EChartProps } from './echart.tsx';
import { useWidth } from './use_width.ts';

echarts.use([BarChart, PieChart, GridComponent, TooltipComponent, SVGRenderer]);

/** Draws an option into a box that fills its parent's width. Loaded by echart.tsx when it is seen. */
export default function EChartImpl({ option, height }: EChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const width = useWidth(box);
  const chart = useRef<echarts.ECharts>(undefined);

  useEffect(() => {
    const made = echarts.init(box.current, undefined, { renderer: 'svg' });
    chart.current = made;
    return () => made.dispose();
  }, [box]);
  useEffect(() => chart.current?.resize(), [width, height]);
  useEffect(() => chart.current?.setOption(option, { notMerge: false, lazyUpdate: true }), [option]);

  return <div ref={box} style={{ width: '100%', height }} aria-hidden="true" />;
}
