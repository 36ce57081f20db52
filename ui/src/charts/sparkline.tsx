/** The last values of a figure as a thin line, newest at the right. Decoration. */
export function Sparkline({ values, width = 120, height = 30 }: { values: number[]; width?: number; height?: number }) {
  if (values.length < 3) return <svg width={width} height={height} aria-hidden="true" />;
  const most = Math.max(...values, Number.MIN_VALUE);
  const step = width / (values.length - 1);
  const points = values.map(
    (v, i) => `${(i * step).toFixed(1)},${(height - 2 - (v / most) * (height - 5)).toFixed(1)}`,
  );
  return (
    <svg width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true" preserveAspectRatio="none">
      <polyline points={points.join(' ')} fill="none" stroke="currentColor" strokeWidth="1.6" strokeLinejoin="round" />
    </svg>
  );
}
