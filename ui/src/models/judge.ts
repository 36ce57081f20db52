/** What the figures of models mean, in words. */
import { counted, dateAndTime, measure, signed } from '../lib/format.ts';
import type { Deployment, Estimate, Evaluation, Judged, Metric, Model, OneModel, Version } from './types.ts';

export const metrics: { name: Metric; label: string; means: string }[] = [
  { name: 'ndcg', label: 'NDCG', means: 'how far up the list stands what people went for next' },
  { name: 'recall', label: 'Recall', means: 'how much of what people went for next is in the list' },
  { name: 'hit_rate', label: 'Hit rate', means: 'how many people find anything they went for in the list' },
  { name: 'mrr', label: 'MRR', means: 'how far up stands the first thing they went for' },
  { name: 'map', label: 'MAP', means: 'how pure the list is down to each thing they went for' },
];

const kinds: Record<string, string> = {
  popularity: 'popularity',
  item_knn: 'item neighbours',
  ease: 'EASE',
  als: 'ALS factors',
  session_knn: 'session neighbours',
  two_tower: 'two towers',
};

export const kindName = (kind: string | undefined): string => (kind ? (kinds[kind] ?? kind) : '');

export const interval = ({ low, high }: Estimate): string => `${measure(low)} to ${measure(high)}`;
export const change = ({ mean, low, high }: Estimate): string => `${signed(mean)} (${signed(low)} to ${signed(high)})`;

export interface Verdict {
  state: 'better' | 'unclear' | 'worse';
  words: string;
}

/** Whether a gain over popularity is one: only when its whole interval says so. */
export function verdictOf({ low, high }: Estimate): Verdict {
  if (low > 0) return { state: 'better', words: 'Better than popularity' };
  if (high < 0) return { state: 'worse', words: 'Worse than popularity' };
  return { state: 'unclear', words: 'Cannot be told from popularity' };
}

export const servedOf = ({ versions }: Model): Version | undefined => versions.find(({ deployed }) => deployed);

/** The version that stands for a model: what is served, else the newest that can be read. */
export const shownOf = (model: Model): Version | undefined =>
  servedOf(model) ?? model.versions.find(({ problem }) => !problem);

/** What a roll-back would serve: what was served last before, if it is still there. */
export function rollbackTarget({ history, versions, deployed }: OneModel): string | undefined {
  const before = history.find(({ version }) => version !== null && version !== deployed)?.version;
  return versions.some(({ version, problem }) => version === before && !problem) ? before! : undefined;
}

const doers: Record<string, string> = {
  train: 'by a training',
  deploy: 'by hand',
  rollback: 'by a roll-back',
  retire: 'by hand',
  schedule: 'by a training on schedule',
  drift: 'by a training because of drift',
};

export const doerOf = ({ by }: Deployment): string => doers[by] ?? `by ${by}`;

export interface Contender {
  key: string;
  label: string;
  judged: Judged;
  /** `own` is the version itself, `baseline` what it is held against. */
  role: 'own' | 'baseline' | 'other';
}

const baselines: Record<string, string> = {
  popularity: 'Popularity of all time',
  popularity_recent: 'Popularity of late',
};

/** Everything that a version was judged beside, itself first, each alone and with its fallback where that differs. */
export function contendersOf({ models }: Evaluation, name: string): Contender[] {
  const found = models.flatMap(({ name: who, alone, with_fallback: whole }, at): Contender[] => {
    const role = who === name && at >= 2 ? 'own' : who === 'popularity_recent' ? 'baseline' : 'other';
    const label = role === 'own' ? 'This version' : at < 2 ? (baselines[who] ?? who) : whatWas(who);
    const lone: Contender = { key: `${at} alone`, label, judged: alone, role };
    if (at < 2 || alike(alone, whole)) return [lone];
    return [
      { key: `${at} whole`, label: `${label}, with its fallback`, judged: whole, role },
      { ...lone, label: `${label}, alone`, role: 'other' },
    ];
  });
  const own = found.filter(({ key }) => key.startsWith('2 '));
  return [...own, ...found.filter((one) => !own.includes(one))];
}

const whatWas = (who: string): string => (who === 'deployed' ? 'What was served' : who);

const alike = (a: Judged, b: Judged): boolean => metrics.every(({ name }) => a.all[name].mean === b.all[name].mean);

/** A text of the server as a sentence, with its times as people write them. */
export function sentenceOf(text: string): string {
  const timed = text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, dateAndTime);
  return `${timed.charAt(0).toUpperCase()}${timed.slice(1)}${/[.!?]$/.test(timed) ? '' : '.'}`;
}

const longest = [
  { us: 86_400e6, one: 'day' },
  { us: 3_600e6, one: 'hour' },
  { us: 60e6, one: 'minute' },
  { us: 1e6, one: 'second' },
];

/** A setting as people write it: half_life_us 5184000000000 → half_life, 60 days. */
export function settingWords(key: string, value: unknown): { name: string; words: string } {
  if (!key.endsWith('_us') || typeof value !== 'number') return { name: key, words: String(value) };
  const name = key.slice(0, -3);
  if (value === 0) return { name, words: 'none' };
  const { us, one } = longest.find((unit) => value >= unit.us && value % unit.us === 0) ?? longest.at(-1)!;
  return { name, words: counted(value / us, one) };
}

/** What to do about a call that failed, beyond what the server said. */
export function remedyOf(status: number, message: string): string | undefined {
  if (status === 0) return 'Look whether the server runs, then try again.';
  if (status === 401 || status === 403) return 'Give the token of this server above.';
  if (status === 429 || status === 503) return 'The server is busy: try again in a moment.';
  if (/not what was written|shorter|missing|cannot be read/.test(message))
    return 'The files of that version are damaged. What is served stays: remove the version and train again.';
  if (/\.yaml:\d+/.test(message)) return 'Mend the file and save it; then try again.';
  if (/nothing to train on|none to learn from|nobody to ask/.test(message))
    return 'Let people look around first, or change what models/NAME.yaml learns from: interactions, evaluate.';
  return undefined;
}
