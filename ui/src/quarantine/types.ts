/** What GET /v1/quarantine tells of a record. */
export interface Entry {
  record: string;
  state: 'waiting' | 'replayed' | 'dropped';
  received_time: string;
  stage: string;
  code: string;
  message: string;
  where: string | null;
  source: string | null;
  codec: string | null;
  message_id: string | null;
  events: number;
  bytes: number;
  decided_time: string | null;
  note: string | null;
  mend: string | null;
  replayed_as: string | null;
}

/** Alike ones together: GET /v1/quarantine/groups. */
export interface Group {
  stage: string;
  code: string;
  message: string;
  source: string | null;
  records: number;
  events: number;
  oldest: string;
  newest: string;
  record: string;
}

export interface Outcome {
  record: string;
  before?: string;
  after?: string;
  replayed_as?: string;
  error?: { code: string; message: string };
}

/** The answer of POST /v1/quarantine/try, /replay, /drop and /reopen. */
export interface Result {
  done: number;
  failed: number;
  outcomes: Outcome[];
  cursor: string | null;
}

export type State = 'waiting' | 'replayed' | 'dropped' | 'all';

/** Which records are meant, as the server takes it. */
export interface Filter {
  state: State;
  q?: string;
  stage?: string;
  code?: string;
  source?: string;
  message?: string;
}

export const keyOf = ({ stage, code, message, source }: Group): string => `${stage} ${code} ${source} ${message}`;

/** What is said of a filter, without what is empty. */
export const said = (filter: Filter): Record<string, string> =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value)) as Record<string, string>;
