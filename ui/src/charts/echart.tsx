import { useIntersection } from '@mantine/hooks';
import type { EChartsCoreOption } from 'echarts/core';
import { Suspense, useState } from 'react';
import { fetched } from './fetched.tsx';

export interface EChartProps {
  option: EChartsCoreOption;
  height: number;
}

const Impl = fetched<EChartProps>(() => import('./echart_impl.tsx'));

/** An ECharts chart; the library is fetched only when the first one comes into view. */
export function EChart(props: EChartProps) {
  const { ref, entry } = useIntersection({ rootMargin: '200px' });
  const [seen, setSeen] = useState(false);
  if (entry?.isIntersecting && !seen) setSeen(true);
  return (
    <div ref={ref} style={{ minHeight: props.height }}>
      {seen && (
        <Suspense fallback={null}>
          <Impl {...props} />
        </Suspense>
      )}
    </div>
  );
}
