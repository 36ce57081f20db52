/** What the server's short names mean, for people. A name that is not here is a model's, or new: shown as it is. */

const sources: Record<string, string> = {
  co_seen: 'Looked at together',
  co_bought: 'Bought together',
  popular: 'Popular',
  popular_week: 'Sold most this week',
  popular_country: 'Popular in the country',
  popular_category: 'Popular in the category',
  new: 'New',
  promotion: 'Promoted',
};

const dropped: Record<string, string> = {
  excluded: 'not wanted by the request',
  context: 'what this visit is about',
  shown: 'shown on an earlier page',
  bought: 'bought already',
  read: 'read already',
  disliked: 'disliked',
  deleted: 'no longer in the catalogue',
  hidden: 'hidden',
  unavailable: 'not available',
  expired: 'expired',
  not_sold_there: 'not sold in the country',
  filter: 'kept out by the filter',
  rule: 'kept out by the pipeline’s filter',
};

const steps: Record<string, string> = {
  context: 'who asks',
  candidates: 'other candidates',
  rank: 'rank and choose',
};

const fallbacks: Record<string, string> = {
  cold: 'Nothing is known of this person or page: this is what is popular.',
  partial: 'Made without some of its sources.',
  deadline: 'It was late: this is what is popular.',
  error: 'Something failed: this is what is popular.',
};

export const sourceWords = (name: string): string => sources[name] ?? name;
export const droppedWords = (name: string): string => dropped[name] ?? name;
export const stepWords = (name: string): string => steps[name] ?? name.replace(/^model:/, 'model ');
export const fallbackWords = (name: string): string => fallbacks[name] ?? name;

/** The steps that add up to the answer: the models one by one in the place of all together. */
export const stepsOf = (stages: Record<string, number>): [string, number][] => {
  const order = (name: string) => ['context', 'model', 'candidates', 'rank'].indexOf(name.split(':')[0]!);
  return Object.entries(stages)
    .filter(([name]) => name !== 'models')
    .sort(([a], [b]) => order(a) - order(b) || a.localeCompare(b));
};

/** Most first. */
export const byCount = (counts: Record<string, number>): [string, number][] =>
  Object.entries(counts).sort(([a, n], [b, m]) => m - n || a.localeCompare(b));
