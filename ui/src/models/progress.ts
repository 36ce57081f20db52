/** How far a training is, out of the words that the server says. */

export const phases = ['Read', 'Judge', 'Train on everything', 'Write'] as const;

export interface Progress {
  /** Which of `phases` runs. */
  phase: number;
  /** What is being done, in the server's words. */
  step: string;
  /** The share of the rounds that are done; undefined where there are none. */
  share: number | undefined;
}

export const atFirst: Progress = { phase: 0, step: '', share: undefined };

/** A phase never goes back: rounds of a training that is only to be judged are not those of the last one. */
export function advance(before: Progress, step: string): Progress {
  const rounds = /round (\d+) of (\d+)/.exec(step);
  const share = rounds ? Math.min(1, Number(rounds[1]) / Math.max(1, Number(rounds[2]))) : undefined;
  return { phase: Math.max(before.phase, phaseOf(step)), step, share };
}

function phaseOf(step: string): number {
  if (step === 'reading') return 0;
  if (step === 'writing') return 3;
  return step.endsWith('training on everything') ? 2 : 1;
}

/** A line of the answer to POST …/train. */
export type TrainingLine =
  | { progress: { step: string } }
  | { result: { version: string; deployed: boolean; gate: string } }
  | { error: { code: string; message: string } };
