import { before, type Health, jobHealth, rateOf, type State, subscriptionHealth, worst } from './health.ts';
import type { FlowSnapshot, JobFigures, Subscription } from './types.ts';

/** The picture of the flow: what comes in, the jobs that follow the log, and what they fill. */
export interface Graph {
  sources: { name: string; note: string; rate: number }[];
  refusedRate: number;
  jobs: JobNode[];
  eventsPerSecond: number;
  state: State;
}

export interface JobNode {
  figures: JobFigures;
  health: Health;
  /** Events (or messages) a second. */
  rate: number;
  store: string;
  storeNote: string;
}

/** Where a job's output goes, in the order in which stores are drawn. */
const storeOf: Record<string, string> = {
  load: 'Warehouse',
  archive: 'Lake',
  curate: 'Lake',
  recommend: 'Recommender',
  subscriptions: 'Subscribers',
  windows: 'Subscribers',
};
const storeOrder = ['Warehouse', 'Lake', 'Recommender', 'Subscribers'];
const storeNotes: Record<string, string> = {
  Warehouse: 'tables, SQL, dashboard',
  Lake: 'files by the hour',
  Recommender: 'answers in milliseconds',
  Subscribers: 'push and pull',
};

const rateSeconds = 5;
/** They are done with a minute's or an hour's events at a time. */
const jobRateSeconds: Record<string, number> = { archive: 90, curate: 90 };
export const healthSeconds = 30;

/** Draw up the picture from the snapshots kept, oldest first; none when there are none. */
export function graphOf(kept: FlowSnapshot[]): Graph | undefined {
  const now = kept.at(-1);
  if (!now) return undefined;
  const then = before(kept, rateSeconds) ?? now;
  const seconds = now.clock_s - then.clock_s;
  const perSecond = (of: (one: FlowSnapshot) => number | undefined) => rateOf(of(now), of(then), seconds);
  const jobs = now.jobs.map((figures) => jobNode(figures, kept));
  jobs.sort((a, b) => place(a) - place(b) || a.figures.name.localeCompare(b.figures.name));
  const http = perSecond((one) => one.counters['collect_events_total']);
  const httpRefused = perSecond((one) => one.counters['collect_quarantined_total']);
  const received = perSecond((one) => one.books.received);
  return {
    sources: [
      { name: 'HTTP', note: 'shops, apps, servers', rate: http + httpRefused },
      { name: 'Files', note: 'ingest, replay', rate: Math.max(0, received - http - httpRefused) },
    ],
    refusedRate: perSecond((one) => one.books.quarantined),
    jobs,
    eventsPerSecond: received,
    state: worst(jobs.map((job) => job.health.state)),
  };
}

const place = ({ store }: JobNode) => {
  const at = storeOrder.indexOf(store);
  return at < 0 ? storeOrder.length : at;
};

function jobNode(figures: JobFigures, kept: FlowSnapshot[]): JobNode {
  const { name } = figures;
  const now = kept.at(-1)!;
  const then = before(kept, healthSeconds);
  const rateFrom = before(kept, jobRateSeconds[name] ?? rateSeconds) ?? now;
  const store = storeOf[name] ?? 'Warehouse';
  return {
    figures,
    health:
      name === 'subscriptions'
        ? allSubscriptions(kept)
        : jobHealth(figures, jobIn(then, name), now.clock_s - (then?.clock_s ?? 0)),
    rate: rateOf(workOf(now, name), workOf(rateFrom, name), now.clock_s - rateFrom.clock_s),
    store,
    storeNote: storeNotes[store] ?? '',
  };
}

const jobIn = (one: FlowSnapshot | undefined, name: string) => one?.jobs.find((job) => job.name === name);

/** Events a job is done with. The loader also takes catalogues and answers along, which are no events. */
function workOf(one: FlowSnapshot, name: string): number | undefined {
  const { applied, duplicate, quarantined_later } = one.books;
  if (name === 'load') return applied + duplicate + quarantined_later;
  return jobIn(one, name)?.events ?? jobIn(one, name)?.records;
}

/** How one subscription does, over the last half minute. */
export function healthOf(subscription: Subscription, kept: FlowSnapshot[]): Health {
  const then = before(kept, healthSeconds)?.subscriptions.find(({ name }) => name === subscription.name);
  return subscriptionHealth(subscription, then);
}

/** All subscriptions are one arrow of the picture: it looks as the worst of them does. */
function allSubscriptions(kept: FlowSnapshot[]): Health {
  const all = kept.at(-1)!.subscriptions.map((one) => ({ name: one.name, health: healthOf(one, kept) }));
  const state = worst(all.map(({ health }) => health.state));
  const which = all.filter(({ health }) => health.state === state);
  if (all.length === 0) return { state, words: 'none yet' };
  if (state === 'ok') return { state, words: 'in step' };
  return {
    state,
    words: which.length === 1 ? `${which[0]!.name}: ${which[0]!.health.words}` : `${which.length} in trouble`,
  };
}
