import { useEffect, useRef } from 'react';
import { useReducedMotion } from '@mantine/hooks';

const spokes = Array.from({ length: 8 }, (_, i) => i * 45);

/** The wheel's drawing: rim, spokes and paddles in `currentColor`, around (50, 50). */
function WheelDrawing() {
  return (
    <g fill="none" stroke="currentColor" strokeLinecap="round">
      <circle cx="50" cy="50" r="33" strokeWidth="3.5" />
      <circle cx="50" cy="50" r="25.5" strokeWidth="1.5" opacity=".55" />
      {spokes.map((turn) => (
        <g key={turn} transform={`rotate(${turn} 50 50)`}>
          <path d="M50 44V17" strokeWidth="2.5" />
          <path d="M43.5 8.5h13" strokeWidth="4" />
          <path d="M50 16V9" strokeWidth="2.5" />
        </g>
      ))}
      <circle cx="50" cy="50" r="6" strokeWidth="3" />
    </g>
  );
}

/** The mill wheel. It turns as fast as the water comes: `perSecond` events; still when none do. */
export function Wheel({ size, perSecond = 0 }: { size: number; perSecond?: number }) {
  const drawing = useRef<SVGSVGElement>(null);
  const turning = useRef<Animation>(undefined);
  const still = useReducedMotion();

  useEffect(() => {
    if (still || !drawing.current) return;
    const turn = [{ transform: 'rotate(0)' }, { transform: 'rotate(360deg)' }];
    turning.current = drawing.current.animate(turn, { duration: 24_000, iterations: Infinity });
    return () => turning.current?.cancel();
  }, [still]);

  useEffect(() => {
    // One turn in 24 s for a trickle, in 2 s for a flood: the tenfold adds the same again.
    turning.current?.updatePlaybackRate(perSecond > 0 ? Math.min(12, 1 + Math.log10(1 + perSecond) * 2.4) : 0);
  }, [perSecond, still]);

  return (
    <svg ref={drawing} viewBox="0 0 100 100" width={size} height={size} aria-hidden="true">
      <WheelDrawing />
    </svg>
  );
}
