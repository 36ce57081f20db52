/** What a look for drift found, in words. */
import { percent } from '../lib/format.ts';
import type { Drift, InputDrift } from './types.ts';

export interface DriftSign {
  state: 'better' | 'unclear' | 'worse';
  sign: string;
  words: string;
}

const signs: Record<Drift['verdict'], DriftSign> = {
  too_little: { state: 'unclear', sign: '…', words: 'Too little has come to say' },
  fine: { state: 'better', sign: '▲', words: 'Nothing has drifted' },
  inputs_moved: { state: 'worse', sign: '▼', words: 'What it learns from has moved' },
  worse_than_made: { state: 'worse', sign: '▼', words: 'Worse than when it was made' },
  worse_than_popularity: { state: 'worse', sign: '▼', words: 'Worse than popularity' },
};

export const driftSign = (verdict: Drift['verdict']): DriftSign => signs[verdict];

/** "item", "users: age": what an input is called where all stand in one list. */
export const inputName = ({ of, name }: InputDrift): string => (of === 'interactions' ? name : `${of}: ${name}`);

/** Which bins make most of the difference; nothing of an input that is stable. */
export function movedWords({ state, moved_most: bins }: InputDrift): string {
  if (state === 'stable') return '';
  return bins.map(({ value, before, since }) => `${value}: ${percent(before)} → ${percent(since)}`).join(', ');
}

/** A rule as a sentence: "every 7d; looked at every 1h" → "Trained again every 7d; looked at every 1h." */
export const ruleSentence = (words: string): string =>
  words.startsWith('looked at') ? `Trained again only when asked; ${words}.` : `Trained again ${words}.`;
