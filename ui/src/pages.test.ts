import { expect, it } from 'vitest';
import { pageAt, pages } from './pages.ts';

it('finds the page of an address, and of what lies below it', () => {
  expect(pageAt('/')?.name).toBe('Overview');
  expect(pageAt('/shop')?.name).toBe('Example shop');
  expect(pageAt('/shop/item/P-1')?.name).toBe('Example shop');
  expect(pageAt('/shopping')).toBeUndefined();
  expect(pageAt('/index')).toBeUndefined();
});

it('names a module with a component for every page', async () => {
  for (const page of pages) expect((await page.load()).default, page.path).toBeTypeOf('function');
}, 60_000);
