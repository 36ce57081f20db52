import { afterEach, describe, expect, it, vi } from 'vitest';
import { call, CallError } from './http.ts';

/** A server that gives these answers, one after the other. */
function answers(...statuses: number[]) {
  const fetched = vi.fn(async () => {
    const status = statuses.shift()!;
    return new Response(status === 200 ? '{"n":1}' : '{"code":"overloaded","message":"too busy"}', { status });
  });
  vi.stubGlobal('fetch', fetched);
  return fetched;
}

afterEach(() => vi.unstubAllGlobals());

describe('call', () => {
  it('tries again what the server was too busy for', async () => {
    const fetched = answers(503, 429, 200);
    expect((await call<{ n: number }>('/x')).body.n).toBe(1);
    expect(fetched).toHaveBeenCalledTimes(3);
  });

  it('gives up in the end, with the words of the server', async () => {
    answers(503, 503, 503, 200);
    await expect(call('/x')).rejects.toThrow('too busy');
  });

  it('does not repeat what was wrong', async () => {
    const fetched = answers(400, 200);
    await expect(call('/x')).rejects.toBeInstanceOf(CallError);
    expect(fetched).toHaveBeenCalledTimes(1);
  });

  it('says when nothing answers', async () => {
    vi.stubGlobal('fetch', () => Promise.reject(new TypeError('failed')));
    await expect(call('/x')).rejects.toMatchObject({ status: 0 });
  });
});
