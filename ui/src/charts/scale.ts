/** An axis with round ends and round steps. */
export interface Scale {
  low: number;
  high: number;
  ticks: number[];
  /** Where a value lies between the ends, from 0 to 1. */
  at: (value: number) => number;
}

const steps = [1, 2, 2.5, 5, 10];

/** A scale that has every value of `values` within, with about `about` steps. One that is empty goes from 0 to 1. */
export function scaleOf(values: number[], about = 4): Scale {
  const sound = values.filter(Number.isFinite);
  const least = sound.length > 0 ? Math.min(...sound) : 0;
  const most = sound.length > 0 ? Math.max(...sound) : 1;
  const span = most - least || Math.abs(most) || 1;
  const power = 10 ** Math.floor(Math.log10(span / about));
  const step = power * (steps.find((one) => one * power * about >= span) ?? 10);
  const first = Math.floor(least / step + 1e-9);
  const last = Math.max(Math.ceil(most / step - 1e-9), first + 1);
  // Multiples, not sums: 0.1 + 0.2 is not 0.3.
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  const low = ticks[0]!;
  const high = ticks.at(-1)!;
  return { low, high, ticks, at: (value) => (value - low) / (high - low) };
}

/** Words for ticks, with as many digits as their step needs. */
export function tickWords({ ticks }: Scale): string[] {
  const digits = Math.max(...ticks.map((tick) => (String(tick).split('.')[1] ?? '').length));
  return ticks.map((tick) => tick.toFixed(Math.min(digits, 6)));
}
