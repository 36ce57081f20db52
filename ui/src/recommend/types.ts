/** Shapes of the server's answers that the page Recommend uses. */

export interface Recommended {
  id: string;
  score: number;
  source: string;
  reason: { code: string; text: string; because: string[] };
  features?: Record<string, number>;
}

/** What one clause of a filter did. */
export interface Clause {
  clause: string;
  looked_at: number;
  found: number;
  matched: number;
  hint?: string;
}

export interface Explanation {
  candidates: Record<string, number>;
  filtered: Record<string, number>;
  filter?: Clause[];
  stages_us: Record<string, number>;
  latency_us: number;
  models: string[];
  error: string | null;
}

export interface Answer {
  recommendation_id: string;
  model: string;
  fallback: string | null;
  fallback_reason?: string;
  items: Recommended[];
  cursor: string | null;
  explanation: Explanation;
}

export interface Pipeline {
  model: string;
  sources: { name: string; weight: number; model?: string; how?: string }[];
  absent: string[];
  surplus: string[];
  promotions: string[];
  filter: string;
  deadline_ms: number;
  ranker: string | null;
}

export interface Pipelines {
  placements: Record<string, Pipeline>;
  problems: { about: string; why: string }[];
}
