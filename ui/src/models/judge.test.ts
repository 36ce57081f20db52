import { describe, expect, it } from 'vitest';
import {
  contendersOf,
  doerOf,
  remedyOf,
  rollbackTarget,
  sentenceOf,
  settingWords,
  shownOf,
  verdictOf,
} from './judge.ts';
import type { Deployment, Evaluation, Judged, OneModel, Version } from './types.ts';

const estimate = (mean: number) => ({ mean, low: mean - 0.01, high: mean + 0.01 });
const reached = (mean: number) => ({
  people: 10,
  ndcg: estimate(mean),
  recall: estimate(mean),
  hit_rate: estimate(mean),
  mrr: estimate(mean),
  map: estimate(mean),
});
const judged = (mean: number): Judged => ({
  model: 'm',
  all: reached(mean),
  warm: reached(mean),
  cold: reached(mean),
  new_items: reached(mean),
  coverage: 0.5,
  novelty: 4,
  popularity_bias: 0.2,
});

const version = (number: string, more: Partial<Version> = {}): Version => ({
  version: number,
  deployed: false,
  ...more,
});
const model = (versions: Version[], history: (string | null)[]): OneModel => ({
  name: 'm',
  versions,
  deployed: versions.find(({ deployed }) => deployed)?.version,
  history: history.map((one): Deployment => ({ version: one, time: '2026-01-01T00:00:00Z', by: 'deploy' })),
  may_change: true,
});

it('calls a gain one only when the whole interval is', () => {
  expect(verdictOf({ mean: 0.02, low: 0.01, high: 0.03 }).state).toBe('better');
  expect(verdictOf({ mean: 0.02, low: -0.001, high: 0.04 }).state).toBe('unclear');
  expect(verdictOf({ mean: 0, low: 0, high: 0 }).state).toBe('unclear');
  expect(verdictOf({ mean: -0.02, low: -0.03, high: -0.01 }).words).toBe('Worse than popularity');
});

describe('a roll-back', () => {
  it('leads to what was served before', () => {
    const versions = [version('3', { deployed: true }), version('2'), version('1')];
    expect(rollbackTarget(model(versions, ['3', '2', '1']))).toBe('2');
    expect(rollbackTarget(model(versions, ['3', null, '3', '1']))).toBe('1');
  });

  it('leads nowhere without one, or when that is gone or damaged', () => {
    expect(rollbackTarget(model([version('1', { deployed: true })], ['1']))).toBeUndefined();
    expect(rollbackTarget(model([version('3', { deployed: true })], ['3', '2']))).toBeUndefined();
    const damaged = [version('3', { deployed: true }), version('2', { problem: 'cannot be read' })];
    expect(rollbackTarget(model(damaged, ['3', '2']))).toBeUndefined();
  });

  it('leads to the last one when nothing is served', () => {
    expect(rollbackTarget(model([version('2'), version('1')], [null, '2', '1']))).toBe('2');
  });
});

it('shows a model by what is served, else by the newest that can be read', () => {
  expect(shownOf(model([version('2'), version('1', { deployed: true })], []))?.version).toBe('1');
  expect(shownOf(model([version('3', { problem: 'gone' }), version('2')], []))?.version).toBe('2');
  expect(shownOf(model([], []))).toBeUndefined();
});

it('puts a version first among those it was judged beside, alone only where that differs', () => {
  const one = (name: string, alone: number, whole = alone) => ({
    name,
    training_s: 1,
    alone: judged(alone),
    with_fallback: judged(whole),
  });
  const evaluation = { models: [one('popularity', 0.1), one('popularity_recent', 0.12), one('near', 0.2, 0.25)] };
  const found = contendersOf(evaluation as Evaluation, 'near');
  expect(found.map(({ label, role }) => [label, role])).toEqual([
    ['This version, with its fallback', 'own'],
    ['This version, alone', 'other'],
    ['Popularity of all time', 'other'],
    ['Popularity of late', 'baseline'],
  ]);
  evaluation.models[2] = one('near', 0.2);
  evaluation.models.push(one('deployed', 0.3));
  expect(contendersOf(evaluation as Evaluation, 'near').map(({ label }) => label)).toEqual([
    'This version',
    'Popularity of all time',
    'Popularity of late',
    'What was served',
  ]);
});

it('says who deployed', () => {
  expect(doerOf({ version: '1', time: '', by: 'train' })).toBe('by a training');
  expect(doerOf({ version: '1', time: '', by: 'ada' })).toBe('by ada');
});

it('writes settings as people do', () => {
  expect(settingWords('half_life_us', 5_184_000_000_000)).toEqual({ name: 'half_life', words: '60 days' });
  expect(settingWords('session_half_life_us', 21_600_000_000).words).toBe('6 hours');
  expect(settingWords('half_life_us', 0).words).toBe('none');
  expect(settingWords('once', false)).toEqual({ name: 'once', words: 'false' });
});

it('makes sentences of what the server says', () => {
  expect(sentenceOf('by time: trained before 2026-11-24T22:19:06.409448Z, asked then')).toMatch(
    /^By time: trained before 2\d Nov(ember)? 2026|^By time: trained before Nov 2\d, 2026/,
  );
  expect(sentenceOf('as the first')).toBe('As the first.');
  expect(sentenceOf('Done.')).toBe('Done.');
});

it('knows what to do about what fails often', () => {
  expect(remedyOf(0, '')).toContain('server runs');
  expect(remedyOf(500, 'weights_value.npy: is not what was written')).toContain('remove the version');
  expect(remedyOf(400, 'models/m.yaml: interactions: there are none to learn from')).toContain('look around');
  expect(remedyOf(400, '/p/models/m.yaml:3: unknown key')).toContain('Mend the file');
  expect(remedyOf(404, 'm has no version 7')).toBeUndefined();
});
