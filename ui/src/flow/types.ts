/** The answer of GET /v1/flow, and each `snapshot` of its stream. Counters grow from the process's start. */
export interface FlowSnapshot {
  time: string;
  /** Seconds of a clock that never goes back: rates are differences over it. */
  clock_s: number;
  books: Books;
  log: { partitions: number; bytes: number; newest: string | null };
  jobs: JobFigures[];
  counters: Record<string, number>;
  subscriptions: Subscription[];
  quarantine: Rows;
}

export interface Books {
  received: number;
  logged: number;
  quarantined: number;
  applied: number;
  duplicate: number;
  quarantined_later: number;
  pending: number;
  balanced: boolean;
}

/** What every job shows (docs/metrics.md); a job may have further figures, and lack some. */
export interface JobFigures {
  name: string;
  lag_records?: number;
  lag_seconds?: number;
  checkpoint_age_seconds?: number;
  step_seconds_p50?: number;
  step_seconds_p99?: number;
  step_seconds_count?: number;
  records?: number;
  events?: number;
  duplicates?: number;
  quarantined?: number;
  errors?: number;
  late?: number;
  window_too_late?: number;
  /** Of the source that is furthest behind. */
  window_watermark_delay_seconds?: number;
}

export interface Subscription {
  name: string;
  topic: string;
  kind: 'push' | 'pull';
  backlog: number;
  outstanding: number;
  oldest_s: number | null;
  delivered: number;
  acked: number;
  nacked: number;
  expired: number;
  dead: number;
  lost: number;
  dead_letter_topic: string;
  /** Of a push: how the last one ended, "" when well, and how long the endpoint is left alone. */
  error?: string;
  paused_ms?: number;
}

/** As POST /v1/sql answers. */
export interface Rows {
  columns: { name: string }[];
  rows: (string | number | null)[][];
}

/** Rows as objects by their columns' names. */
export const objectsOf = <T>({ columns, rows }: Rows): T[] =>
  rows.map((row) => Object.fromEntries(columns.map(({ name }, i) => [name, row[i]])) as T);

export interface Refusal {
  stage: string;
  code: string;
  message: string;
  events: number;
  newest: string;
  record: string;
  source: string | null;
}
