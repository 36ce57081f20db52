/** What is asked on the page Recommend. It lives in the page's address, so that it can be shared. */

export const placements = ['home', 'item', 'cart', 'checkout'] as const;
export type Placement = (typeof placements)[number];

export interface Question {
  user: string;
  /** What was clicked, the oldest first. */
  items: string[];
  placement: Placement;
  country: string;
  filter: string;
  n: number;
}

export const lengths = [5, 10, 20, 50];
const lengthUnlessSaid = 10;
const itemsMax = 50;

/** Read it from an address; what makes no sense there is as if it were not. */
export function questionOf(query: URLSearchParams): Question {
  const placement = placements.find((one) => one === query.get('placement')) ?? 'home';
  const n = Number(query.get('n'));
  return {
    user: query.get('user') ?? '',
    items: [...new Set((query.get('items') ?? '').split(',').filter(Boolean))].slice(-itemsMax),
    placement,
    country: query.get('country') ?? '',
    filter: query.get('filter') ?? '',
    n: lengths.includes(n) ? n : lengthUnlessSaid,
  };
}

/** The same as a query: only what differs from the usual. */
export function queryOf({ user, items, placement, country, filter, n }: Question): URLSearchParams {
  const query = new URLSearchParams();
  if (user) query.set('user', user);
  if (items.length > 0) query.set('items', items.join(','));
  if (placement !== 'home') query.set('placement', placement);
  if (country) query.set('country', country);
  if (filter) query.set('filter', filter);
  if (n !== lengthUnlessSaid) query.set('n', String(n));
  return query;
}

/** The address of the page that asks it. */
export function pageOf(question: Question): string {
  const query = queryOf(question).toString();
  return query ? `/recommend?${query}` : '/recommend';
}

/** What the server is asked; `cursor` is of the answer before. */
export function callOf(question: Question, cursor?: string): string {
  const query = queryOf(question);
  query.set('n', String(question.n));
  query.set('explain', '1');
  if (cursor) query.set('cursor', cursor);
  return `/v1/recommendations?${query}`;
}

/** The question after an item was clicked: it goes to the end, where the last click stands. */
export const withItem = (question: Question, id: string): Question => ({
  ...question,
  items: [...question.items.filter((one) => one !== id), id].slice(-itemsMax),
});

export const withoutItem = (question: Question, id: string): Question => ({
  ...question,
  items: question.items.filter((one) => one !== id),
});
