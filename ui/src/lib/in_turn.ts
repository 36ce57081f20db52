let last: Promise<unknown> = Promise.resolve();

/**
 * Run `ask` once everything asked before is answered. Questions to the tables go through here: the server
 * answers only few at once, and one page of ours should not take those places from others.
 */
export function inTurn<T>(ask: () => Promise<T>): Promise<T> {
  const answer = last.then(ask, ask);
  last = answer;
  return answer;
}
