/** One thing a person did, and what became of it; newest first on the page. */
export interface Step {
  key: string;
  text: string;
  /** From sending it to the answer that it is safe on disk. */
  durableMs?: number;
  /** What it did to the recommendations. */
  answer?: { tookMs: number; changed: number };
  failed?: string;
}

const stepsMax = 5;

export const addStep = (steps: Step[], step: Step): Step[] => [step, ...steps].slice(0, stepsMax);

export const mendStep = (steps: Step[], key: string, change: Partial<Step>): Step[] =>
  steps.map((step) => (step.key === key ? { ...step, ...change } : step));
