/** Shapes of the server's answers about models. */

/** A mean, and where it would lie in 95 of 100 other draws of as many people. */
export interface Estimate {
  mean: number;
  low: number;
  high: number;
}

export type Metric = 'ndcg' | 'recall' | 'hit_rate' | 'mrr' | 'map';

/** What was reached on some of the people. */
export type Reached = { people: number } & Record<Metric, Estimate>;

export interface Judged {
  model: string;
  all: Reached;
  warm: Reached;
  cold: Reached;
  new_items: Reached;
  coverage: number;
  novelty: number;
  popularity_bias: number;
}

export interface Training {
  rows: number;
  users: number;
  items: number;
  incomplete_left_out?: number;
  from: string;
  to: string;
  hash?: string;
  offsets?: Record<string, number>;
}

/** A version as GET /v1/models tells it. What older ones were not written with is not there. */
export interface Version {
  version: string;
  deployed: boolean;
  /** Why its manifest cannot be read. */
  problem?: string;
  kind?: string;
  made?: string;
  training?: Training;
  /** Of the whole, with its fallback. */
  metrics?: Judged;
  /** What recent popularity reached in the same evaluation, and by how much the version is better in NDCG. */
  baseline?: Judged;
  gain?: Estimate;
  gate?: string;
  passed?: boolean;
  /** "asked", "every 7d", "drift: …". */
  trained_because?: string;
}

export interface Model {
  name: string;
  /** What is wrong with its file in the project. */
  problem?: string;
  description?: string;
  /** Not there when the project has no file of the model any more. */
  kind?: string;
  deployed?: string;
  /** The newest first. */
  versions: Version[];
}

export interface Deployment {
  version: string | null;
  time: string;
  by: string;
}

export interface ModelList {
  models: Model[];
  may_change: boolean;
}

/** GET /v1/models/{name}. */
export interface OneModel extends Model {
  /** What was deployed when, the newest first. */
  history: Deployment[];
  may_change: boolean;
}

export interface JudgedModel {
  name: string;
  training_s: number;
  alone: Judged;
  with_fallback: Judged;
  ndcg_gain_over_baseline?: Estimate;
}

export interface Evaluation {
  protocol: string;
  n: number;
  repeats: boolean;
  train_rows: number;
  users: number;
  items: number;
  /** The baselines first. */
  models: JudgedModel[];
}

export interface CurvePoint {
  step: number;
  loss: number;
}

/** GET /v1/models/{name}/versions/{version}: its manifest and its evaluation. */
export interface VersionDetail extends Version {
  name: string;
  description?: string;
  settings?: Record<string, unknown>;
  definition?: string;
  evaluation?: Evaluation;
  curve?: CurvePoint[];
}

export const pathOf = (name: string, version?: string): string =>
  `/models/${encodeURIComponent(name)}${version === undefined ? '' : `/${encodeURIComponent(version)}`}`;

export const apiOf = (name: string): string => `/v1/models/${encodeURIComponent(name)}`;

/** A bin of an input, and its share of the rows. */
export interface DriftBin {
  value: string;
  before: number;
  since: number;
}

export interface InputDrift {
  of: 'interactions' | 'users' | 'items';
  name: string;
  psi: number;
  by_chance: number;
  beyond_chance: number;
  state: 'stable' | 'moved' | 'shifted';
  moved_most: DriftBin[];
}

export interface PerformanceDrift {
  /** "rmse" of models that foresee ratings, of which less is better. */
  metric: string;
  rows: number;
  people: number;
  now: Estimate;
  popularity: number;
  gain: Estimate;
  then: Estimate | null;
  change: Estimate | null;
  at_training: Estimate | null;
}

/** What a look for drift found. */
export interface Drift {
  version: string;
  checked: string;
  verdict: 'too_little' | 'fine' | 'inputs_moved' | 'worse_than_made' | 'worse_than_popularity';
  drifted: boolean;
  words: string;
  trained_to: string;
  rows_before: number;
  rows_since: number;
  people_since: number;
  inputs: InputDrift[] | null;
  new_users?: { since: number; before: number };
  new_items?: { since: number; before: number };
  performance: PerformanceDrift | null;
}

export interface DriftAnswer {
  retrain: { words: string };
  last: Drift | null;
}
