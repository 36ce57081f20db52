import { expect, it } from 'vitest';
import { inTurn } from './in_turn.ts';

it('asks one after the other, and goes on after a failure', async () => {
  let open = 0;
  let openMost = 0;
  const ask = (fails: boolean) =>
    inTurn(async () => {
      openMost = Math.max(openMost, ++open);
      await new Promise((resolve) => setTimeout(resolve, 2));
      open--;
      if (fails) throw new Error('no');
      return 'yes';
    });
  const all = await Promise.allSettled([ask(false), ask(true), ask(false)]);
  expect(all.map((answer) => answer.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  expect(openMost).toBe(1);
});
