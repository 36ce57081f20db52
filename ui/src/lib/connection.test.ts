import { afterEach, expect, it, vi } from 'vitest';

afterEach(() => vi.resetModules());

/** A store that knows nothing yet. */
const store = () => import('./connection.ts');

it('believes the stream while one is followed, and calls otherwise', async () => {
  const { connection: now, callWas, streamIs, streamOpened } = await store();
  expect(now()).toBe('connecting');
  callWas(true);
  expect(now()).toBe('connected');
  const close = streamOpened();
  streamIs('live');
  callWas(false);
  expect(now()).toBe('live');
  streamIs('lost');
  callWas(true);
  expect(now()).toBe('lost');
  close();
  callWas(true);
  expect(now()).toBe('connected');
});

it('is connected, not live, once the last stream is closed', async () => {
  const { connection: now, streamIs, streamOpened } = await store();
  const [first, second] = [streamOpened(), streamOpened()];
  streamIs('live');
  first();
  expect(now()).toBe('live');
  second();
  expect(now()).toBe('connected');
});
